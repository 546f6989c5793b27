import { type SQL, sql } from 'drizzle-orm';
import { chunked } from '../../contexts/base/bounded.ts';
import { textArray } from '../db/builders/builder.ts';
import type { Queryable } from '../db/client.ts';
import { deletedRows } from '../db/deletion-tables.ts';
import { agentKeys } from '../db/schema.ts';
import type { Import } from './plan.ts';
import { tightened } from './tightened.ts';

/**
 * Does to rows that are kept for an undelete what is done to those that are there: by the backup they are deleted, but
 * the regions may have seen them come back, and a key of them revoked. Nobody who undeletes them again brings that back.
 */
export async function importIntoKept(tx: Queryable, imports: readonly Import[]): Promise<void> {
  const [kept] = await tx.execute(sql`select from ${deletedRows} limit 1`);
  if (kept === undefined) return;
  for (const [action, some] of Map.groupBy(imports, ({ action }) => action)) {
    if (action === 'tighten-key') continue;
    const [table, change] = changes[action];
    for (const ids of chunked(some, 1_000))
      await tx.execute(
        change(sql`"table" = ${table} and row ->> 'id' = any(${textArray(ids.map(({ id }) => id))})`),
      );
  }
  for (const one of imports) {
    if (one.action !== 'tighten-key') continue;
    const columns = Object.entries(tightened(one.changes)).map(
      ([name, value]) => sql`${value} as ${sql.identifier(name)}`,
    );
    await tx.execute(sql`
      update ${deletedRows} set row = row || (select to_jsonb(tighter) from (
        select ${sql.join(columns, sql`, `)} from jsonb_populate_record(null::${agentKeys}, ${deletedRows.row})) tighter)
      where "table" = 'agent_keys' and row ->> 'id' = ${one.id}`);
  }
}

const denied = (status: string) => (which: SQL) =>
  sql`update ${deletedRows} set row = row || ${JSON.stringify({ status })}::jsonb where ${which}`;

const changes: Record<
  Exclude<Import['action'], 'tighten-key'>,
  [table: string, change: (which: SQL) => SQL]
> = {
  'suspend-tenant': ['tenants', denied('suspended')],
  'disable-cluster': ['clusters', denied('disabled')],
  'withdraw-cluster': ['clusters', denied('disabled')],
  'disable-key': ['agent_keys', denied('disabled')],
  'delete-key': ['agent_keys', (which) => sql`delete from ${deletedRows} where ${which}`],
};
