import { eq, getTableName, lt, type SQL, sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import { applicationKeys } from './application-key-table.ts';
import type { Queryable } from './client.ts';
import { deletedRows, deletions } from './deletion-tables.ts';
import { memberships, users } from './people-tables.ts';
import { agentKeys, clusters, placements, tenants } from './schema.ts';

export type Deletion = typeof deletions.$inferSelect;

/** In the order in which they are brought back: what others point at goes first. */
const keptTables = [tenants, applicationKeys, memberships, clusters, placements, agentKeys];

/** What of a table comes back: people may have left meanwhile. */
const comesBack = (table: PgTable): SQL =>
  table === memberships || table === applicationKeys
    ? sql`(was.user_id is null or was.user_id in (select id from ${users}))`
    : sql`true`;

/** What goes with a tenant or a cluster, table by table. */
function rowsOf({
  resourceType,
  resourceId,
}: Pick<Deletion, 'resourceType' | 'resourceId'>): Map<PgTable, SQL> {
  const ofTenant = sql`tenant_id = ${resourceId}`;
  const itself = sql`id = ${resourceId}`;
  const inClusters = sql`cluster_id in (select id from clusters where ${ofTenant})`;
  const inCluster = sql`cluster_id = ${resourceId}`;
  return resourceType === 'tenant'
    ? new Map<PgTable, SQL>([
        [tenants, itself],
        [applicationKeys, ofTenant],
        [memberships, ofTenant],
        [clusters, ofTenant],
        [placements, inClusters],
        [agentKeys, inClusters],
      ])
    : new Map<PgTable, SQL>([
        [clusters, itself],
        [placements, inCluster],
        [agentKeys, inCluster],
      ]);
}

/**
 * Keeps what is about to be deleted, in the transaction of the deletion. The caller holds the lock of its row, so that
 * nothing is added meanwhile. Every row is locked as it is kept: a key that somebody is just revoking or disabling is
 * kept as it is then, or whoever revokes it finds it gone. Nothing is kept where `days` is 0.
 */
export async function keepDeleted(
  db: Queryable,
  wanted: Pick<Deletion, 'id' | 'resourceType' | 'resourceId' | 'name' | 'tenantId'>,
  days: number,
): Promise<void> {
  if (days === 0) return;
  await db.insert(deletions).values({
    ...wanted,
    ...{ clusters: 0, agentKeys: 0 },
    purgeAt: sql`now() + ${days} * interval '1 day'` as never,
  });
  // The row of a tenant keeps no agent key from being added to one of its clusters.
  await db.execute(
    sql`select from ${clusters} where tenant_id = ${wanted.resourceId} order by id for update`,
  );
  const kept = new Map<PgTable, number>();
  for (const [table, where] of rowsOf(wanted)) {
    const [counted] = await db.execute<{ count: number }>(sql`
      with kept as (
        insert into ${deletedRows} (deletion, "table", row)
          select ${wanted.id}, ${getTableName(table)}, to_jsonb(t) from ${table} t where ${where} for update of t returning 1)
      select count(*)::int as count from kept`);
    kept.set(table, counted!.count);
  }
  await db
    .update(deletions)
    .set({ clusters: kept.get(clusters)!, agentKeys: kept.get(agentKeys)! })
    .where(eq(deletions.id, wanted.id));
}

/**
 * Brings everything back as it was, under the ids it had, and forgets the deletion. Columns that were added meanwhile
 * have their defaults. Triggers see rows like any other: regions are told, quotas and residency hold.
 */
export async function restoreDeleted(db: Queryable, deletion: string): Promise<void> {
  for (const table of keptTables) {
    const name = getTableName(table);
    const [shape] = await db.execute<{ columns: string[] | null }>(sql`
      select array(
        select column_name::text from information_schema.columns
        where table_schema = current_schema() and table_name = ${name} and column_name in (
          select jsonb_object_keys(one.row) from (
            select row from ${deletedRows} where deletion = ${deletion} and "table" = ${name} limit 1) one)) as columns`);
    const columns = shape?.columns ?? [];
    if (columns.length === 0) continue;
    const names = (prefix: SQL) =>
      sql.join(
        columns.map((column) => sql`${prefix}${sql.identifier(column)}`),
        sql`, `,
      );
    await db.execute(sql`
      insert into ${table} (${names(sql``)}) select ${names(sql`was.`)}
      from ${deletedRows} kept, jsonb_populate_record(null::${table}, kept.row) was
      where kept.deletion = ${deletion} and kept."table" = ${name} and ${comesBack(table)} order by kept.id`);
  }
  await db.delete(deletions).where(eq(deletions.id, deletion));
}

/** Forgets what nobody has brought back in time. */
export async function purgeDeleted(db: Queryable): Promise<void> {
  await db.delete(deletions).where(lt(deletions.purgeAt, sql`now()`));
}
