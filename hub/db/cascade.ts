import { sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { notifyOutbox } from './outbox.ts';
import { agentKeys, heads, holdings, outbox } from './schema.ts';

/**
 * What follows a cluster when its placements change: its tenant and its keys. Each gets a fresh revision, because a
 * region that lost it holds a tombstone under the old one, and an outbox row for the regions that hold it now. Those
 * that it left are told by {@link cascadeDeparture}, once it has arrived where it goes.
 *
 * Called by the relay after the placement's transaction committed, so it sees what that transaction and every one
 * before it made; what commits later carries outbox rows of its own, which are resolved later still. In either
 * order of commits one of the two sees the other. Safe to repeat: a repetition draws revisions once more.
 *
 * The tenant goes first: keys point at it. `onProgress` is called between the steps, so that the caller can hold on
 * to its lease. A lock that somebody else holds for longer than `lockTimeoutMs` makes it throw: a forgotten session
 * in `psql` must not hold up the relay.
 */
export async function cascadePlacement(
  db: Queryable,
  clusterId: string,
  options: CascadeOptions,
): Promise<void> {
  await cascadeToTenant(db, clusterId, options);
  await cascadeToKeys(db, clusterId, options);
}

export interface CascadeOptions {
  /** The cluster has left a region, and its tenant perhaps with it. */
  leaves: boolean;
  /** Keys a transaction bumps. */
  chunk: number;
  /** Milliseconds to wait for a lock; default 2,000. */
  lockTimeoutMs?: number;
  onProgress?(): Promise<void>;
}

/**
 * Has the regions that a cluster left told, in the order of removal: keys, cluster, tenant. Draws no revisions:
 * {@link cascadePlacement} has.
 */
export async function cascadeDeparture(
  db: Queryable,
  clusterId: string,
  options: { tightens: boolean },
): Promise<void> {
  const { tightens } = options;
  const left = sql`
    select region from ${holdings} where cluster_id = ${clusterId} and until > now() - interval '1 day'`;
  const leftByTenant = sql`
    select region from ${holdings} h where h.tenant_id = ${tenantOf(clusterId)} and h.until > now() - interval '1 day'
      and not exists (select from ${holdings} o where o.tenant_id = h.tenant_id and o.region = h.region and o.until is null)`;
  const dependent = sql`'dependent', ${tightens}`;
  await db.transaction(async (tx) => {
    await tx.execute(sql`
      insert into ${outbox} (kind, key, regions, cause, tightens)
      select 'agent-key', k.id, array(${left}), ${dependent} from ${agentKeys} k
      where k.cluster_id = ${clusterId} and exists (${left}) order by k.id`);
    await tx.execute(sql`
      insert into ${outbox} (kind, key, regions, cause, tightens)
      select 'cluster', ${clusterId}, array(${left}), ${dependent} where exists (${left})`);
    await tx.execute(sql`
      insert into ${outbox} (kind, key, regions, cause, tightens)
      select 'tenant', ${tenantOf(clusterId)}, array(select distinct l.region from (${leftByTenant}) l), ${dependent}
      where exists (${leftByTenant})`);
    await notifyOutbox(tx);
  });
}

/** The regions that hold a cluster's contexts now. After the commit of what changed them. */
export async function regionsHolding(db: Queryable, clusterId: string): Promise<string[]> {
  const rows = await db.execute<{ region: string }>(sql`
    select region from ${holdings} where cluster_id = ${clusterId} and until is null order by region`);
  return rows.map((row) => row.region);
}

/** The last key of each cluster, in the order in which they are bumped: when it has arrived, so have most. */
export async function lastKeys(db: Queryable, clusterIds: readonly string[]): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    select max(id) as id from ${agentKeys} where cluster_id = any(${textArray(clusterIds)}) group by cluster_id`);
  return rows.map((row) => row.id);
}

/**
 * Writes the outbox rows of placements again that have not been cascaded and of which no row is left: somebody lost
 * them. Keys that came back to a region would otherwise stay at the revision of their tombstones there.
 */
export async function recallPlacements(db: Queryable, region: string): Promise<void> {
  const rows = await db.execute(sql`
    insert into ${outbox} (kind, key, regions, cause, tightens)
    select 'cluster', h.cluster_id, array[h.region], 'placement', false from ${holdings} h
    where h.region = ${region} and h.until is null and not h.settled
      and not exists (select from ${outbox} o where o.cause = 'placement' and o.key = h.cluster_id)
    returning 1`);
  if (rows.length > 0) await notifyOutbox(db);
}

/** By its holdings, which outlive it. */
function tenantOf(clusterId: string) {
  return sql`(select tenant_id from ${holdings} where cluster_id = ${clusterId} limit 1)`;
}

async function limitLocks(tx: Queryable, options: CascadeOptions): Promise<void> {
  await tx.execute(sql`select set_config('lock_timeout', ${String(options.lockTimeoutMs ?? 2000)}, true)`);
}

/** In key order, a chunk a transaction: no lock is held for long, and no two relays lock in opposite orders. */
async function cascadeToKeys(db: Queryable, clusterId: string, options: CascadeOptions): Promise<void> {
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
      await limitLocks(tx, options);
      await tx.execute(sql`select touch_heads('agent-key', ${keys}, null)`);
      await tx.execute(sql`
        insert into ${outbox} (kind, key, regions, cause, tightens)
        select 'agent-key', k, held.regions, 'dependent', false
        from unnest(${keys}) k, (
          select array_agg(region order by region) as regions from ${holdings}
          where cluster_id = ${clusterId} and until is null) held
        where held.regions is not null`);
      await notifyOutbox(tx);
    });
    after = rows.at(-1)!.id;
    await options.onProgress?.();
  }
}

/**
 * The tenant enters a region with its first cluster and leaves with its last. It is bumped unless every region of
 * this cluster has another of the tenant's clusters whose own placement was already *settled*, that is, bumped for:
 * creating the thousandth cluster in a region then costs no write of the tenant.
 *
 * Settled must be the truth, or two clusters rely on each other and nobody bumps. So the placements that are judged
 * are locked first, and those alone are marked: one that is added meanwhile is left to its own cascade.
 */
async function cascadeToTenant(db: Queryable, clusterId: string, options: CascadeOptions): Promise<void> {
  const { leaves } = options;
  await db.transaction(async (tx) => {
    await limitLocks(tx, options);
    const held = await tx.execute<{ tenant_id: string; region: string; live: boolean }>(sql`
      select tenant_id, region, until is null as live from ${holdings}
      where cluster_id = ${clusterId} order by region for update`);
    if (held.length === 0) return;
    const tenantId = held[0]!.tenant_id;
    const live = textArray(held.filter((row) => row.live).map((row) => row.region));
    const [found] = await tx.execute<{ unsettled: boolean }>(sql`
      select exists (
        select from unnest(${live}) as placed (region) where not exists (
          select from ${holdings} other
          where other.tenant_id = ${tenantId} and other.region = placed.region and other.settled
            and other.until is null and other.cluster_id <> ${clusterId})) as unsettled`);
    if (leaves || found!.unsettled) {
      await tx.execute(sql`
        select touch_heads('tenant', array(select key from ${heads} where kind = 'tenant' and key = ${tenantId}), null)`);
      await tx.execute(sql`
        insert into ${outbox} (kind, key, regions, cause, tightens)
        select 'tenant', ${tenantId}, held.regions, 'dependent', false
        from (
          select array_agg(distinct region) as regions from ${holdings}
          where tenant_id = ${tenantId} and until is null) held
        where held.regions is not null`);
      await notifyOutbox(tx);
    }
    await tx.execute(sql`
      update ${holdings} set settled = true where cluster_id = ${clusterId} and region = any(${live})`);
  });
  await options.onProgress?.();
}
