import { type SQL, sql } from 'drizzle-orm';
import { type AnyPgColumn, customType } from 'drizzle-orm/pg-core';

/** Ids and keys are `collate "C"`: byte order, as the stores sort, so that a sweep can merge the two streams. */
export const id = customType<{ data: string }>({ dataType: () => 'text collate "C"' });
/** Several of them. Their collation is the ids', or Postgres would not compare the two. */
export const ids = customType<{ data: string[]; driverData: string | string[] }>({
  dataType: () => 'text[] collate "C"',
  toDriver: (list) => `{${list.map((each) => JSON.stringify(each)).join(',')}}`,
});
/** A transaction id, comparable over the whole life of a database (it does not wrap). As text in JavaScript. */
export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });
/** A name without its case, in byte order: what searches go by. An index on it serves only what says it just so. */
export function foldedName(name: AnyPgColumn | SQL): SQL {
  return sql`(lower(${name}) collate "C")`;
}
