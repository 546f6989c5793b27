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
 *
 * In the order of publishing: a region gets the tenant before the keys that point at it, and loses the keys first.
 * `onProgress` is called between the steps, so that the caller can hold on to its lease. A lock that somebody else
 * holds for longer than `lockTimeoutMs` makes it throw: a forgotten session in `psql` must not hold up the relay.
 */
export async function cascadePlacement(
  db: Queryable,
  clusterId: string,
  options: CascadeOptions,
): Promise<void> {
  const arrives = options.arrives ?? !options.tightens;
  if (arrives) await cascadeToTenant(db, clusterId, options);
  await cascadeToKeys(db, clusterId, options);
  if (!arrives) await cascadeToTenant(db, clusterId, options);
}

export interface CascadeOptions {
  /** The cluster has left a region. */
  tightens: boolean;
  /** The cluster has come to a region; default: unless it has left one. */
  arrives?: boolean;
  /** Keys a transaction bumps. */
  chunk: number;
  /** Milliseconds to wait for a lock; default 2,000. */
  lockTimeoutMs?: number;
  onProgress?(): Promise<void>;
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
        select 'agent-key', k, regions_of_cluster(${clusterId}), 'dependent', ${options.tightens} from unnest(${keys}) k`);
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
  const { tightens } = options;
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
    if (tightens || found!.unsettled) {
      await tx.execute(sql`
        select touch_heads('tenant', array(select key from ${heads} where kind = 'tenant' and key = ${tenantId}), null)`);
      await tx.execute(sql`
        insert into ${outbox} (kind, key, regions, cause, tightens)
        values ('tenant', ${tenantId}, regions_of_tenant(${tenantId}), 'dependent', ${tightens})`);
      await notifyOutbox(tx);
    }
    await tx.execute(sql`
      update ${holdings} set settled = true where cluster_id = ${clusterId} and region = any(${live})`);
  });
  await options.onProgress?.();
}
