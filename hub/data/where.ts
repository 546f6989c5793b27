import { eq, type SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';

/** The condition of a filter; none where the filter is not given. */
export function equals(column: PgColumn, wanted: string | undefined): SQL | undefined {
  return wanted === undefined ? undefined : eq(column, wanted);
}
