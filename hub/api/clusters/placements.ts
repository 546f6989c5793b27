import { and, asc, eq, inArray } from 'drizzle-orm';
import { canonicalJson } from '../../../contexts/envelope.ts';
import type { Queryable } from '../../db/client.ts';
import { placements, regions } from '../../db/schema.ts';
import { type FieldErrors, fail } from '../../http/problems.ts';
import type { ClusterRow, PlacementInput } from './cluster.ts';

/** Places a new cluster in regions that were checked. Returns its placements in the order of their regions. */
export async function placeCluster(
  db: Queryable,
  clusterId: string,
  wanted: readonly PlacementInput[],
): Promise<ClusterRow['placements']> {
  const placed = await addPlacements(db, clusterId, wanted);
  return placed.sort((a, b) => (a.region < b.region ? -1 : 1));
}

/**
 * Makes the cluster's placements the wanted set, touching only what differs: a placement that stays as it is moves
 * no head. Returns whether anything changed. The caller holds the cluster's row lock.
 * @throws as {@link checkRegions}.
 */
export async function replacePlacements(
  db: Queryable,
  cluster: Pick<ClusterRow, 'id' | 'placements'>,
  wanted: readonly PlacementInput[],
): Promise<boolean> {
  const held = new Map(cluster.placements.map(({ region, overrides }) => [region, overrides]));
  const added = wanted.filter(({ region }) => !held.has(region));
  const changed = wanted.filter(
    ({ region, overrides = {} }) =>
      held.has(region) && canonicalJson(overrides) !== canonicalJson(held.get(region)),
  );
  const removed = [...held.keys()].filter(
    (region) => !wanted.some((placement) => placement.region === region),
  );
  await checkRegions(db, wanted, held);

  // Made before broken: a cluster that moves is served all the while.
  if (added.length > 0) await addPlacements(db, cluster.id, added);
  for (const { region, overrides = {} } of changed) {
    await db
      .update(placements)
      .set({ overrides })
      .where(and(eq(placements.clusterId, cluster.id), eq(placements.region, region)));
  }
  if (removed.length > 0) {
    await db
      .delete(placements)
      .where(and(eq(placements.clusterId, cluster.id), inArray(placements.region, removed)));
  }
  return added.length + changed.length + removed.length > 0;
}

function addPlacements(db: Queryable, clusterId: string, added: readonly PlacementInput[]) {
  return db
    .insert(placements)
    .values(added.map(({ region, overrides = {} }) => ({ clusterId, region, overrides })))
    .returning({ region: placements.region, overrides: placements.overrides });
}

/**
 * Makes sure that the regions of placements are there and take them, but for those that are held already. They are
 * locked until the transaction ends, so that none is disabled or deleted under a new placement.
 * @throws ProblemError 422 naming regions that do not exist, 409 naming new ones that are not active.
 */
export async function checkRegions(
  db: Queryable,
  wanted: readonly PlacementInput[],
  held: ReadonlyMap<string, unknown> = new Map(),
): Promise<void> {
  const ids = wanted.map(({ region }) => region);
  const rows = await db
    .select({ id: regions.id, status: regions.status })
    .from(regions)
    .where(inArray(regions.id, ids))
    .orderBy(asc(regions.id))
    .for('share');
  const statuses = new Map(rows.map(({ id, status }) => [id, status]));
  const at = (index: number, detail: string) => ({ pointer: `/placements/${index}/region`, detail });

  const unknown: FieldErrors = wanted.flatMap(({ region }, index) =>
    statuses.has(region) ? [] : [at(index, `there is no region ${region}`)],
  );
  if (unknown.length > 0)
    fail('REGION_UNKNOWN', { detail: unknown.map(({ detail }) => detail).join('; '), errors: unknown });

  const closed: FieldErrors = wanted.flatMap(({ region }, index) => {
    const status = statuses.get(region)!;
    return held.has(region) || status === 'active' || status === 'seeding'
      ? []
      : [at(index, `the region ${region} is ${status} and takes no new placements`)];
  });
  if (closed.length > 0)
    fail('REGION_NOT_ACTIVE', { detail: closed.map(({ detail }) => detail).join('; '), errors: closed });
}
