import { getTableName, type SQL, sql } from 'drizzle-orm';
import { mergeJoin } from '../../contexts/base/merge-join.ts';
import { type BoundsRow, boundsColumns, boundsOf } from '../db/agent-key-bounds.ts';
import type { Queryable } from '../db/client.ts';
import { deletedRows } from '../db/deletion-tables.ts';
import { agentKeys, clusters, heads, tenants } from '../db/schema.ts';
import type { KeyRow } from './judge.ts';

const pageRows = 1_000;

export interface ThingRow {
  id: string;
  name: string;
  status: string;
  revision: number;
  /** It was deleted before the backup, and is kept for an undelete. */
  kept: boolean;
}

export const clusterRows = (db: Queryable) => things(db, 'cluster', clusters);
export const tenantRows = (db: Queryable) => things(db, 'tenant', tenants);

function things(
  db: Queryable,
  kind: 'cluster' | 'tenant',
  table: typeof clusters | typeof tenants,
): AsyncGenerator<ThingRow> {
  return rowsOf<Omit<ThingRow, 'kept'>>(
    db,
    table,
    (from, after) => sql`
    select ${table.id} as id, ${table.name} as name, ${table.status} as status, ${heads.revision}::float8 as revision
    from ${from} join ${heads} on ${heads.kind} = ${kind} and ${heads.key} = ${table.id}
    where ${table.id} > ${after} order by ${table.id} limit ${pageRows}`,
  );
}

interface RawKeyRow extends BoundsRow {
  id: string;
  name: string;
  cluster_id: string;
  revision: string;
  status: KeyRow['status'];
  expires_at_ms: string | null;
  permissions: string[];
}

export async function* keyRows(db: Queryable): AsyncGenerator<KeyRow & Pick<ThingRow, 'name' | 'kept'>> {
  const rows = rowsOf<RawKeyRow>(
    db,
    agentKeys,
    (from, after) => sql`
    select ${agentKeys.id} as id, ${agentKeys.name} as name, ${agentKeys.clusterId} as cluster_id,
      ${heads.revision}::text as revision, ${agentKeys.status} as status, ${agentKeys.permissions} as permissions,
      ${boundsColumns},
      (case when ${agentKeys.expiresAt} = 'infinity' then null when ${agentKeys.expiresAt} < 'epoch' then 0
        else floor(extract(epoch from ${agentKeys.expiresAt}) * 1000) end)::text as expires_at_ms
    from ${from} join ${heads} on ${heads.kind} = 'agent-key' and ${heads.key} = ${agentKeys.id}
    where ${agentKeys.id} > ${after} order by ${agentKeys.id} limit ${pageRows}`,
  );
  for await (const row of rows) {
    const { id, name, status, permissions, cluster_id, expires_at_ms, kept } = row;
    yield {
      ...{ id, name, status, permissions, kept, ...boundsOf(row) },
      clusterId: cluster_id,
      revision: Number(row.revision),
      expiresAtMs: expires_at_ms === null ? null : Number(expires_at_ms),
    };
  }
}

/** Rows of the table and those kept of it, in byte order of their ids; of an id that is in both, the table's. */
async function* rowsOf<Row extends { id: string }>(
  db: Queryable,
  table: typeof agentKeys | typeof clusters | typeof tenants,
  page: (from: SQL, after: string) => SQL,
): AsyncGenerator<Row & { kept: boolean }> {
  const kept = sql`(
    select distinct on (was.id) was.* from ${deletedRows} d, jsonb_populate_record(null::${table}, d.row) was
    where d."table" = ${getTableName(table)} order by was.id, d.id desc) as ${table}`;
  const [there, deleted] = [sql`${table}`, kept].map((from) => pages<Row>(db, (after) => page(from, after)));
  for await (const rows of mergeJoin(there!, deleted!)) {
    for (const { left, right } of rows) {
      if (left) yield { ...left.row, kept: false };
      else yield { ...right!.row, kept: true };
    }
  }
}

async function* pages<Row extends { id: string }>(
  db: Queryable,
  page: (after: string) => SQL,
): AsyncGenerator<{ key: string; row: Row }[]> {
  let after = '';
  for (;;) {
    const rows = (await db.execute(page(after))) as unknown as Row[];
    yield rows.map((row) => ({ key: row.id, row }));
    if (rows.length < pageRows) return;
    after = rows.at(-1)!.id;
  }
}
