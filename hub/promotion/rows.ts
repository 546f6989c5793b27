import { type SQL, sql } from 'drizzle-orm';
import { type BoundsRow, boundsColumns, boundsOf } from '../db/agent-key-bounds.ts';
import type { Queryable } from '../db/client.ts';
import { agentKeys, clusters, heads, tenants } from '../db/schema.ts';
import type { KeyRow } from './judge.ts';

const pageRows = 1_000;

/** Rows with their heads' revisions, in byte order of their ids, page by page. */
async function* pages<Row extends { id: string }>(
  db: Queryable,
  page: (after: string) => SQL,
): AsyncGenerator<Row> {
  let after = '';
  for (;;) {
    const rows = (await db.execute(page(after))) as unknown as Row[];
    yield* rows;
    if (rows.length < pageRows) return;
    after = rows.at(-1)!.id;
  }
}

export interface ThingRow {
  id: string;
  name: string;
  status: string;
  revision: number;
}

export async function* clusterRows(db: Queryable): AsyncGenerator<ThingRow> {
  for await (const row of pages<ThingRow & { revision: string | number }>(
    db,
    (after) => sql`
    select ${clusters.id} as id, ${clusters.name} as name, ${clusters.status} as status, ${heads.revision}::text as revision
    from ${clusters} join ${heads} on ${heads.kind} = 'cluster' and ${heads.key} = ${clusters.id}
    where ${clusters.id} > ${after} order by ${clusters.id} limit ${pageRows}`,
  ))
    yield { ...row, revision: Number(row.revision) };
}

export async function* tenantRows(db: Queryable): AsyncGenerator<ThingRow> {
  for await (const row of pages<ThingRow & { revision: string | number }>(
    db,
    (after) => sql`
    select ${tenants.id} as id, ${tenants.name} as name, ${tenants.status} as status, ${heads.revision}::text as revision
    from ${tenants} join ${heads} on ${heads.kind} = 'tenant' and ${heads.key} = ${tenants.id}
    where ${tenants.id} > ${after} order by ${tenants.id} limit ${pageRows}`,
  ))
    yield { ...row, revision: Number(row.revision) };
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

export async function* keyRows(db: Queryable): AsyncGenerator<KeyRow & { name: string }> {
  const rows = pages<RawKeyRow>(
    db,
    (after) => sql`
    select ${agentKeys.id} as id, ${agentKeys.name} as name, ${agentKeys.clusterId} as cluster_id,
      ${heads.revision}::text as revision, ${agentKeys.status} as status, ${agentKeys.permissions} as permissions,
      ${boundsColumns},
      (case when ${agentKeys.expiresAt} = 'infinity' then null when ${agentKeys.expiresAt} < 'epoch' then 0
        else floor(extract(epoch from ${agentKeys.expiresAt}) * 1000) end)::text as expires_at_ms
    from ${agentKeys} join ${heads} on ${heads.kind} = 'agent-key' and ${heads.key} = ${agentKeys.id}
    where ${agentKeys.id} > ${after} order by ${agentKeys.id} limit ${pageRows}`,
  );
  for await (const row of rows) {
    const { id, name, status, permissions, cluster_id, expires_at_ms } = row;
    yield {
      ...{ id, name, status, permissions, ...boundsOf(row) },
      clusterId: cluster_id,
      revision: Number(row.revision),
      expiresAtMs: expires_at_ms === null ? null : Number(expires_at_ms),
    };
  }
}
