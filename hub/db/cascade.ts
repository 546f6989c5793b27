import { type SQL, sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { agentKeys, holdings, outbox } from './schema.ts';

/** Milliseconds to wait for a lock that somebody else holds: a forgotten session in `psql` must not hold up the relay. */
const defaultLockTimeoutMs = 2000;

export interface StepOptions {
  /** Fences that what is done is counted to: those of the change that it follows. */
  fences?: readonly string[];
  /** Milliseconds to wait for a lock; default 2,000. It throws when they are over. */
  lockTimeoutMs?: number;
}

/** A cluster whose placements changed. */
export interface Cascading {
  clusterId: string;
  /** It has left a region, and its tenant perhaps with it. */
  leaves: boolean;
  fences?: readonly string[];
}

export interface CascadeOptions {
  /** Keys a step bumps. */
  chunk: number;
  /** Milliseconds to wait for a lock; default 2,000. It throws when they are over. */
  lockTimeoutMs?: number;
  onProgress?(): Promise<void>;
}

/**
 * What follows clusters when their placements change: their tenants and their keys. Each gets a fresh revision, because a
 * region that lost it holds a tombstone under the old one, and an outbox row for the regions that hold it now. Those
 * that a cluster left are told by {@link cascadeDeparture}, once it has arrived where it goes.
 *
 * Called by the relay after the placements' transactions committed, so it sees what those and every one before them
 * made; what commits later carries outbox rows of its own, which are resolved later still. In either order of commits
 * one of the two sees the other. Safe to repeat: a repetition draws revisions once more.
 *
 * Tenants go first: keys point at them. `onProgress` is called between the steps, so that the caller can hold on
 * to its lease. A step is one statement, a function of 0019_cascades.sql: a publisher that freezes holds no lock that
 * a revocation would wait for. Whoever gives many clusters gives a short `lockTimeoutMs`: while a step waits for a lock of
 * one, it holds those of the others.
 *
 * A tenant enters a region with its first cluster and leaves with its last. It is bumped unless every region of a
 * cluster has another of the tenant's clusters whose own placement was already *settled*, that is, bumped for:
 * creating the thousandth cluster in a region then costs no write of the tenant. Settled must be the truth, or two
 * clusters rely on each other and nobody bumps. So the placements that are judged are locked first, and those alone are
 * marked: one that is added meanwhile is left to its own cascade.
 */
export async function cascadePlacements(
  db: Queryable,
  clusters: readonly Cascading[],
  { chunk, lockTimeoutMs = defaultLockTimeoutMs, onProgress }: CascadeOptions,
): Promise<void> {
  const ids = textArray(clusters.map(({ clusterId }) => clusterId));
  const leaving = sql`${textArray(clusters.map(({ leaves }) => String(leaves)))}::boolean[]`;
  const fences = textArray(clusters.map((cluster) => (cluster.fences ?? []).join(',')));
  await db.execute(sql`select cascade_to_tenants(${ids}, ${leaving}, ${fences}, ${lockTimeoutMs})`);
  await onProgress?.();
  // In key order, a chunk a step: no lock is held for long, and no two relays lock in opposite orders.
  for (let after: string | null = ''; after !== null; await onProgress?.()) {
    const [row]: { last: string | null }[] = await db.execute<{ last: string | null }>(sql`
      select cascade_to_keys_of(${ids}, ${fences}, ${after}, ${chunk}, ${lockTimeoutMs}) as last`);
    after = row!.last;
  }
}

/**
 * Has the regions that a cluster left told, in the order of removal: keys, cluster, tenant. Draws no revisions:
 * {@link cascadePlacements} has.
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

/** The regions that hold each cluster's contexts now. After the commit of what changed them. */
export async function regionsHolding(
  db: Queryable,
  clusterIds: readonly string[],
): Promise<Map<string, readonly string[]>> {
  const rows = await db.execute<{ cluster_id: string; regions: string[] }>(sql`
    select cluster_id, array_agg(region order by region) as regions from ${holdings}
    where cluster_id = any(${textArray(clusterIds)}) and until is null group by cluster_id`);
  return new Map(rows.map((row) => [row.cluster_id, row.regions]));
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
  await db.execute(sql`
    insert into ${outbox} (kind, key, regions, cause, tightens)
    select 'cluster', h.cluster_id, array[h.region], 'placement', false from ${holdings} h
    where h.region = ${region} and h.until is null and not h.settled
      and not exists (select from ${outbox} o where o.cause = 'placement' and o.key = h.cluster_id)`);
}

/** The last two arguments of the cascade in 0008_cascades.sql. */
function stepArguments(options: StepOptions): SQL {
  return sql`${(options.fences ?? []).join(',')}, ${options.lockTimeoutMs ?? defaultLockTimeoutMs}`;
}
