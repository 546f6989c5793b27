import { eq, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';

/** The condition of a filter; none where the filter is not given. */
export function equals(column: PgColumn, wanted: string | undefined): SQL | undefined {
  return wanted === undefined ? undefined : eq(column, wanted);
}

/** What a search finds: names that begin with it, in any case, and the thing whose id it is. An index each. */
export function beginsOrIs(name: PgColumn, id: PgColumn, wanted: string | undefined): SQL | undefined {
  if (wanted === undefined) return undefined;
  const pattern = `${wanted.replaceAll(/[\\%_]/g, '\\$&')}%`;
  return sql`(lower(${name}) like lower(${pattern}::text) or ${id} = ${wanted})`;
}
