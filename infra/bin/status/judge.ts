import { timestamp } from '../../../contexts/base/clock.ts';
import type { Gateway } from '../../client/hub-api.ts';
import type { Facts, RegionFacts } from './collect.ts';

/** A region on the screen: what it holds and how it is, and why it is not well. */
export interface RegionStatus {
  region: string;
  status: string;
  /** `down`: changes do not arrive; `look`: somebody should; `off`: nothing is published to it, on purpose. */
  health: 'ok' | 'look' | 'down' | 'off';
  /** How old the newest heartbeat is that the region's store holds: changes arrive about that late at the most. */
  heartbeatAgeMs: number | null;
  /** What the last complete sweep went over; null before one. */
  contexts: number | null;
  /** What that sweep found other than it should be, and repaired. */
  drift: Record<string, number>;
  sweptAgoMs: number | null;
  /** Over the budget of losses, waiting for somebody to approve. */
  held: number;
  quarantined: number;
  frozen: 'loosening' | 'all' | null;
  gateways: readonly GatewayStatus[];
  /** In words, the worst first. */
  reasons: readonly string[];
}

export type GatewayStatus = Pick<
  Gateway,
  'id' | 'state' | 'build' | 'watermark' | 'degraded' | 'cachedContexts'
>;

export interface Judgement {
  at: string;
  health: 'ok' | 'look' | 'down';
  regions: readonly RegionStatus[];
}

/** A heartbeat is made every 10 s; three that did not arrive are no accident. */
const heartbeatLateMs = 30_000;
/** Sweeps run every 10 minutes. */
const sweepLateMs = 30 * 60_000;

const driftKinds = ['missing', 'stale', 'corrupt', 'orphan', 'ahead'] as const;

export function judge({ atMs, regions }: Facts): Judgement {
  const judged = regions.map((facts) => judgeRegion(facts, atMs));
  const worst = (['down', 'look'] as const).find((health) => judged.some((one) => one.health === health));
  return { at: timestamp(atMs), health: worst ?? 'ok', regions: judged };
}

function judgeRegion(facts: RegionFacts, atMs: number): RegionStatus {
  const { region, gateways, completedSweep, heartbeat } = facts;
  const builtAt = heartbeat?.stored?.builtAt ?? null;
  const ageMs = (at: string | null | undefined) =>
    at === null || at === undefined ? null : Math.max(0, atMs - Date.parse(at));
  const counts = completedSweep?.counts ?? null;
  const drift = driftKinds.filter((kind) => counts?.[kind]).map((kind) => [kind, counts![kind]]);
  const seen = {
    region: region.id,
    status: region.status,
    heartbeatAgeMs: ageMs(builtAt),
    contexts: counts?.scanned ?? null,
    drift: Object.fromEntries(drift) as Record<string, number>,
    sweptAgoMs: ageMs(completedSweep?.finishedAt),
    held: region.publishing?.held ?? 0,
    quarantined: region.publishing?.quarantined ?? 0,
    frozen: region.publishing?.freeze?.mode ?? null,
    gateways: gateways.map(({ id, state, build, watermark, degraded, cachedContexts }) => ({
      ...{ id, state, build, watermark, degraded, cachedContexts },
    })),
  };
  if (region.status === 'disabled') return { ...seen, health: 'off', reasons: ['disabled'] };
  const down = downReasons(facts, seen.heartbeatAgeMs);
  const look = lookReasons(facts, seen);
  return {
    ...seen,
    health: down.length > 0 ? 'down' : look.length > 0 ? 'look' : 'ok',
    reasons: [...down, ...look],
  };
}

function downReasons({ region, heartbeat }: RegionFacts, heartbeatAgeMs: number | null): string[] {
  const { state = 'open', reason } = region.publishing ?? {};
  if (['behind', 'refused', 'ahead', 'unknown'].includes(state))
    return [`${state}${reason ? `: ${reason}` : ''}`];
  if (heartbeat?.state === 'unreachable') return [`store: ${heartbeat.detail ?? 'unreachable'}`];
  // One that is new, or frozen, has none for a reason.
  if (region.status === 'seeding' || region.publishing?.freeze || heartbeat === undefined) return [];
  if (heartbeatAgeMs === null) return ['no heartbeat has arrived'];
  if (heartbeatAgeMs <= heartbeatLateMs) return [];
  return heartbeat.state === 'in-sync'
    ? ['no heartbeat is made any more: does a publisher run, and is SPOKECAST_HEARTBEAT_EVERY_MS not 0?']
    : ['heartbeats do not arrive: look at the publisher'];
}

function lookReasons(
  { region, gateways, latestSweep, seeding, heartbeat }: RegionFacts,
  {
    held,
    quarantined,
    drift,
    sweptAgoMs,
  }: Pick<RegionStatus, 'held' | 'quarantined' | 'drift' | 'sweptAgoMs'>,
): string[] {
  const { freeze, heldAhead = 0 } = region.publishing ?? {};
  const live = gateways.filter(({ state }) => state === 'live');
  const silent = gateways.length - live.length;
  const degraded = live.filter((one) => one.degraded).length;
  const drifted = Object.entries(drift).map(([kind, count]) => `${count} ${kind}`);
  const isSeeding = seeding !== undefined && seeding.finishedAt === null;
  return [
    ...(isSeeding ? [seedingText(seeding)] : []),
    ...(freeze ? [`frozen (${freeze.mode})${freeze.reason === null ? '' : `: ${freeze.reason}`}`] : []),
    ...(held > 0 ? [`${held} held: spokecast holds list ${region.id}`] : []),
    ...(quarantined > 0 ? [`${quarantined} quarantined: spokecast quarantine list ${region.id}`] : []),
    ...(heldAhead > 0 ? [`${heldAhead} left to a person (CONTEXT_AHEAD)`] : []),
    ...(drifted.length > 0 ? [`the last sweep found ${drifted.join(', ')}`] : []),
    ...(latestSweep?.status === 'failed'
      ? [`the last sweep failed: ${latestSweep.error ?? 'for no known reason'}`]
      : []),
    ...(!isSeeding && sweptAgoMs !== null && sweptAgoMs > sweepLateMs
      ? ['no sweep has ended for half an hour']
      : []),
    ...(heartbeat === undefined && !isSeeding ? ['no heartbeat was ever made: does a publisher run?'] : []),
    ...(live.length === 0 ? ['no gateway reports'] : []),
    ...(silent > 0 && live.length > 0 ? [`${silent} gateways have stopped reporting`] : []),
    ...(degraded > 0 ? [`${degraded} gateways cannot read their store, and answer from memory`] : []),
    ...(region.status === 'draining' ? ['draining'] : []),
  ];
}

function seedingText({ phase, contexts, error }: NonNullable<RegionFacts['seeding']>): string {
  return `seeding: ${phase}, ${contexts.filled} of ${contexts.total ?? '?'}${error === null ? '' : ` (${error})`}`;
}
