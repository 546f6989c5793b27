import { z } from '@hono/zod-openapi';
import { timestamp } from '../../../contexts/base/clock.ts';
import type { Actor } from '../../auth/actor.ts';
import type { FenceProgress, RegionProgress } from '../../db/fences.ts';
import { isComplete } from '../../fence-waits.ts';
import { idOf, moment, regionId } from '../../http/fields.ts';
import { forgottenInMs, reasonOf } from './reason.ts';

export const fenceParams = z.object({
  id: idOf('fence').openapi({ description: 'What the answer to the change carried as `spokecast-fence`.' }),
});

const Laggard = z.strictObject({
  id: z.string().openapi({ example: 'gw_6f1c0b2a9d3e4f5061728394' }),
  state: z.enum(['behind', 'verifying', 'unknown']).openapi({
    description:
      '`behind`: it reports, but not yet this. `verifying`: it has taken up what the last process held, or may have missed something, and tells how far it is when all of that was read again. `unknown`: it has stopped reporting.',
  }),
  reportedAgoMs: z.int().min(0).openapi({ description: 'Since its latest report was found.' }),
  forgottenInMs: z.int().min(0).nullable().openapi({
    description:
      'Where it is unknown: for how long it is still waited for (`SPOKECAST_GATEWAY_FORGET_MS`), unless it reports again.',
  }),
});

const stillBehind = {
  region: 'eu-west-1',
  state: 'stored',
  storedAt: '2026-11-21T09:30:00.120Z',
  announcedAt: '2026-11-21T09:30:00.140Z',
  seenAt: null,
  seenBy: 1,
  gateways: 2,
  laggards: [{ id: 'gw_6f1c0b2a9d3e4f5061728394', state: 'behind', reportedAgoMs: 400, forgottenInMs: null }],
  reason: '1 of 2 gateways has not seen it yet',
};

const RegionOfFence = z.strictObject({
  region: regionId,
  state: z.enum(['pending', 'stored', 'seen', 'disabled']).openapi({
    description:
      '`stored`: the region holds the change, or what came after it. `seen`: every gateway goes by it. `disabled`: nothing is published to the region.',
  }),
  storedAt: moment.nullable(),
  announcedAt: moment.nullable(),
  seenAt: moment.nullable().openapi({ description: 'When the last gateway was known to have seen it.' }),
  seenBy: z.int().min(0).openapi({ description: 'Gateways known to have seen it.' }),
  gateways: z.int().min(0).openapi({
    description:
      'Gateways of the region. One that stopped reporting without a word counts until it is forgotten.',
  }),
  laggards: z.array(Laggard).openapi({ description: 'The gateways that have not.' }),
  reason: z.string().nullable().openapi({
    description: 'Why it is not seen yet, in words; null when it is.',
  }),
});

export const Fence = z
  .strictObject({
    id: idOf('fence'),
    complete: z
      .boolean()
      .openapi({ description: 'Every region concerned has stored it and every gateway there has seen it.' }),
    committedAt: moment,
    relayedAt: moment
      .nullable()
      .openapi({ description: 'When jobs were made for all it touched; null while they are not.' }),
    regions: z
      .array(RegionOfFence)
      .openapi({ example: [stillBehind], description: 'None where the change concerns no region.' }),
  })
  .openapi('Fence');

/**
 * The fence as the actor may see it.
 * @param gatewayForgetMs after which publishers forget a gateway that stopped reporting.
 */
export function toFence(
  progress: FenceProgress,
  { tenantId }: Pick<Actor, 'tenantId'>,
  gatewayForgetMs: number,
): z.infer<typeof Fence> {
  const { id, committedAtMs, relayedAtMs, regions } = progress;
  return {
    id,
    complete: isComplete(progress),
    committedAt: timestamp(committedAtMs),
    relayedAt: relayedAtMs === null ? null : timestamp(relayedAtMs),
    regions: regions.map((region) =>
      toRegion(tenantId === null ? region : withoutCauses(region), progress, gatewayForgetMs),
    ),
  };
}

/** What a publisher says of a job or of a region names others' contexts and the store: that is the platform's. */
function withoutCauses(region: RegionProgress): RegionProgress {
  const { heldBack, report } = region;
  return {
    ...region,
    heldBack: heldBack === null ? null : '',
    report: report && { ...report, reason: null },
  };
}

function toRegion(
  region: RegionProgress,
  progress: FenceProgress,
  gatewayForgetMs: number,
): z.infer<typeof RegionOfFence> {
  const at = (ms: number | null) => (ms === null ? null : timestamp(ms));
  return {
    region: region.region,
    state: stateOf(region),
    storedAt: at(region.storedAtMs),
    announcedAt: at(region.announcedAtMs),
    seenAt: at(region.seenAtMs),
    seenBy: region.seenBy,
    gateways: region.gateways,
    laggards: region.laggards.map((laggard) => ({
      ...{ id: laggard.id, state: laggard.state },
      reportedAgoMs: Math.max(0, Math.round(laggard.reportAgeMs)),
      forgottenInMs: laggard.state === 'unknown' ? forgottenInMs(laggard, gatewayForgetMs) : null,
    })),
    reason: region.complete ? null : reasonOf(region, progress, gatewayForgetMs),
  };
}

function stateOf(region: RegionProgress): 'pending' | 'stored' | 'seen' | 'disabled' {
  if (region.complete) return 'seen';
  if (region.regionStatus === 'disabled') return 'disabled';
  return region.storedAtMs === null ? 'pending' : 'stored';
}
