import { eq, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { users } from '../db/people-tables.ts';

/** The condition of a filter; none where the filter is not given. */
export function equals(column: PgColumn, wanted: string | undefined): SQL | undefined {
  return wanted === undefined ? undefined : eq(column, wanted);
}

/** Whose address it is, said as the index says it. */
export function hasEmail(email: string): SQL {
  return sql`lower(${users.email}) = lower(${email}::text)`;
}
