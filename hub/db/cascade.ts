import { type SQL, sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { notifyOutbox } from './outbox.ts';
import { agentKeys, holdings, outbox } from './schema.ts';

/** Milliseconds to wait for a lock that somebody else holds: a forgotten session in `psql` must not hold up the relay. */
const defaultLockTimeoutMs = 2000;

export interface StepOptions {
  /** Fences that what is done is counted to: those of the change that it follows. */
  fences?: readonly string[];
  /** Milliseconds to wait for a lock; default 2,000. It throws when they are over. */
  lockTimeoutMs?: number;
}

export interface CascadeOptions extends StepOptions {
  /** The cluster has left a region, and its tenant perhaps with it. */
  leaves: boolean;
  /** Keys a step bumps. */
  chunk: number;
  onProgress?(): Promise<void>;
}

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
 * to its lease. A step is one statement, a function of 0008_cascades.sql: a publisher that freezes holds no lock that
 * a revocation would wait for.
 */
export async function cascadePlacement(
  db: Queryable,
  clusterId: string,
  options: CascadeOptions,
): Promise<void> {
  await cascadeToTenant(db, clusterId, options);
  await cascadeToKeys(db, clusterId, options);
}

/**
 * Has the regions that a cluster left told, in the order of removal: keys, cluster, tenant. Draws no revisions:
 * {@link cascadePlacement} has.
 */
export async function cascadeDeparture(
  db: Queryable,
  clusterId: string,
  options: StepOptions & { tightens: boolean },
): Promise<void> {
  await db.execute(
    sql`select cascade_departure(${clusterId}, ${options.tightens}, ${stepArguments(options)})`,
  );
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

/**
 * The tenant enters a region with its first cluster and leaves with its last. It is bumped unless every region of
 * this cluster has another of the tenant's clusters whose own placement was already *settled*, that is, bumped for:
 * creating the thousandth cluster in a region then costs no write of the tenant.
 *
 * Settled must be the truth, or two clusters rely on each other and nobody bumps. So the placements that are judged
 * are locked first, and those alone are marked: one that is added meanwhile is left to its own cascade.
 */
async function cascadeToTenant(db: Queryable, clusterId: string, options: CascadeOptions): Promise<void> {
  await db.execute(sql`select cascade_to_tenant(${clusterId}, ${options.leaves}, ${stepArguments(options)})`);
  await options.onProgress?.();
}

/** In key order, a chunk a step: no lock is held for long, and no two relays lock in opposite orders. */
async function cascadeToKeys(db: Queryable, clusterId: string, options: CascadeOptions): Promise<void> {
  let after: string | null = '';
  for (;;) {
    const [row]: { last: string | null }[] = await db.execute<{ last: string | null }>(sql`
      select cascade_to_keys(${clusterId}, ${after}, ${options.chunk}, ${stepArguments(options)}) as last`);
    after = row!.last;
    if (after === null) return;
    await options.onProgress?.();
  }
}

/** The last two arguments of the cascades in 0008_cascades.sql. */
function stepArguments(options: StepOptions): SQL {
  return sql`${(options.fences ?? []).join(',')}, ${options.lockTimeoutMs ?? defaultLockTimeoutMs}`;
}
