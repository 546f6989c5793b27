import type { z } from '@hono/zod-openapi';
import type { Actor } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { freezeOf, readFreezes } from '../../db/freezes.ts';
import { readRegionLooks } from '../../db/gateways.ts';
import { countHolds } from '../../db/holds.ts';
import { heldAheadCounts } from '../../db/sweeps.ts';
import { toFreeze } from '../freeze/freeze.ts';
import { publishingStateOf } from './look.ts';
import type { Region } from './region.ts';

/** Adds what keeps regions from being told everything to them, as they are shown to keys of the platform. */
export async function withPublishing(
  db: Queryable,
  actor: Pick<Actor, 'tenantId'>,
  regions: readonly z.infer<typeof Region>[],
): Promise<z.infer<typeof Region>[]> {
  if (actor.tenantId !== null) return [...regions];
  const [counts, freezes] = [await countHolds(db), await readFreezes(db)];
  const [looks, ahead] = [await readRegionLooks(db), await heldAheadCounts(db)];
  return regions.map((region) => {
    const ofRegion = counts.filter((count) => count.region === region.id);
    const sum = (some: typeof counts) => some.reduce((total, { contexts }) => total + contexts, 0);
    const quarantined = sum(ofRegion.filter(({ reason }) => reason === 'invalid'));
    const freeze = freezeOf(freezes, region.id);
    const publishing = {
      ...publishingStateOf(region.status, looks.get(region.id)),
      held: sum(ofRegion) - quarantined,
      quarantined,
      heldAhead: ahead.get(region.id) ?? 0,
      freeze: freeze ? toFreeze(freeze) : null,
    };
    return { ...region, publishing };
  });
}
