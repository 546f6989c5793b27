import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { type IdOf, isId } from '../../contexts/ids.ts';
import { foldedName } from '../db/columns.ts';
import { notACursor } from '../http/paging.ts';

/** A list that can be searched, as a query reads a page of it. */
export interface Found {
  where: SQL | undefined;
  order: SQL[];
  /** Where the page after this row begins. */
  place(row: { id: string; name: string }): string;
}

/**
 * What is looked for by `wanted`: names that begin with it, in any case, in the order of the names; or the one thing
 * whose id it is. Without it all, in the order of their ids. Each order is an index's own, so that a page costs the same
 * however many names begin alike: in the order of ids they would all be gathered and sorted.
 */
export function searched(
  { name, id, of }: { name: PgColumn; id: PgColumn; of: IdOf },
  wanted: string | undefined,
  after: string | undefined,
): Found {
  if (wanted === undefined || isId(of, wanted)) {
    const one = wanted === undefined ? undefined : eq(id, wanted);
    return {
      where: and(one, after === undefined ? undefined : gt(id, after)),
      order: [asc(id)],
      place: (row) => row.id,
    };
  }
  const folded = foldedName(name);
  const begin = foldedName(sql`${wanted}::text`);
  return {
    // The last character that there is: no name goes on with it.
    where: and(
      sql`${folded} >= ${begin} and ${folded} < ${begin} || chr(1114111)`,
      after === undefined ? undefined : beyond(folded, id, after),
    ),
    order: [asc(folded), asc(id)],
    place: (row) => `${Buffer.from(row.name).toString('hex')}-${row.id}`,
  };
}

/** The condition of a filter by a whole name, for lists that have an index of names without their case. */
export function isNamed(name: PgColumn, wanted: string | undefined): SQL | undefined {
  if (wanted === undefined) return undefined;
  return sql`${foldedName(name)} = ${foldedName(sql`${wanted}::text`)} and ${name} = ${wanted}`;
}

function beyond(folded: SQL, id: PgColumn, after: string): SQL {
  const [hex = '', lastId] = after.split('-');
  const lastName = Buffer.from(hex, 'hex').toString();
  // Names have no such characters, and what does not read as it was written is none of ours.
  if (lastId === undefined || lastName.includes('\0') || Buffer.from(lastName).toString('hex') !== hex)
    notACursor();
  return sql`(${folded}, ${id}) > (${foldedName(sql`${lastName}::text`)}, ${lastId})`;
}
