import { sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { notifyOutbox } from './outbox.ts';
import { agentKeys, heads, holdings, outbox } from './schema.ts';

/**
 * What follows a cluster when its placements change: its keys, and its tenant. Each gets a fresh revision, because a
 * region that lost it holds a tombstone under the old one, and an outbox row for every region concerned.
 *
 * Called by the relay after the placement's transaction committed, so it sees what that transaction and every one
 * before it made; what commits later carries outbox rows of its own, which are resolved later still. In either
 * order of commits one of the two sees the other. Safe to repeat: a repetition draws revisions once more.
 */
export async function cascadePlacement(
  db: Queryable,
  clusterId: string,
  options: { tightens: boolean; chunk: number },
): Promise<void> {
  await cascadeToKeys(db, clusterId, options);
  await cascadeToTenant(db, clusterId, options.tightens);
}

/** In key order, a chunk a transaction: no lock is held for long, and no two relays lock in opposite orders. */
async function cascadeToKeys(
  db: Queryable,
  clusterId: string,
  options: { tightens: boolean; chunk: number },
): Promise<void> {
  let after = '';
  for (;;) {
    const rows = await db
      .select({ id: agentKeys.id })
      .from(agentKeys)
      .where(sql`${agentKeys.clusterId} = ${clusterId} and ${agentKeys.id} > ${after}`)
      .orderBy(agentKeys.id)
      .limit(options.chunk);
    if (rows.length === 0) return;
    const keys = textArray(rows.map((row) => row.id));
    await db.transaction(async (tx) => {
      await tx.execute(sql`select touch_heads('agent-key', ${keys}, null)`);
      await tx.execute(sql`
        insert into ${outbox} (kind, key, regions, cause, tightens)
        select 'agent-key', k, regions_of_cluster(${clusterId}), 'dependent', ${options.tightens} from unnest(${keys}) k`);
      await notifyOutbox(tx);
    });
    after = rows.at(-1)!.id;
  }
}

/**
 * The tenant enters a region with its first cluster and leaves with its last. It is bumped unless every region of
 * this cluster has another of the tenant's clusters whose own placement was already *settled*, that is, bumped for:
 * creating the thousandth cluster in a region then costs no write of the tenant.
 */
async function cascadeToTenant(db: Queryable, clusterId: string, tightens: boolean): Promise<void> {
  await db.transaction(async (tx) => {
    const [found] = await tx.execute<{ tenant_id: string; unsettled: boolean }>(sql`
      select h.tenant_id, bool_or(h.until is null and not exists (
          select from ${holdings} other
          where other.tenant_id = h.tenant_id and other.region = h.region and other.settled
            and other.until is null and other.cluster_id <> h.cluster_id)) as unsettled
      from ${holdings} h where h.cluster_id = ${clusterId} group by h.tenant_id`);
    if (!found) return;
    const tenantId = found.tenant_id;
    if (tightens || found.unsettled) {
      await tx.execute(sql`
        select touch_heads('tenant', array(select key from ${heads} where kind = 'tenant' and key = ${tenantId}), null)`);
      await tx.execute(sql`
        insert into ${outbox} (kind, key, regions, cause, tightens)
        values ('tenant', ${tenantId}, regions_of_tenant(${tenantId}), 'dependent', ${tightens})`);
      await notifyOutbox(tx);
    }
    await tx.execute(
      sql`update ${holdings} set settled = true where cluster_id = ${clusterId} and until is null`,
    );
  });
}
