import type { Content } from '../../contexts/envelope.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Entry } from './entries.ts';
import type { Flight, FlightState } from './flight.ts';
import type { Holding, Restored } from './holding.ts';
import type { PrepareOutcome } from './judge.ts';
import { absentHit, failed, type Lookup } from './outcomes.ts';

/**
 * How an entry stands. `absent`: nothing is held. `refresh`: served, and the next look-up has it read again. The others
 * are the entry's states as {@link LoadingCache} tells of them, the one that weighs most.
 */
export const heldStates = ['absent', 'fresh', 'refresh', 'stale', 'superseded', 'suspect'] as const;
export type HeldState = (typeof heldStates)[number];

/** One context as the cache sees it, for people: nothing in it is the cache's own to change. */
export interface Inspection<Value = unknown> {
  /** What a look-up gives at once; undefined where it would wait for the store first. */
  readonly lookup: Lookup<Value> | undefined;
  readonly state: HeldState;
  /** Where what is held comes from; undefined where nothing is. */
  readonly source: 'store' | 'feed' | 'snapshot' | undefined;
  readonly version: VersionText | undefined;
  /** A newer version that was announced and is not here yet. */
  readonly awaited: VersionText | undefined;
  /** Since it was read, announced, or taken up from the snapshot by this process, if that was made ready already. */
  readonly ageMs: number | undefined;
  /** What is done about it now. */
  readonly reading: FlightState | undefined;
  /** Whether there is such a context in the region's store, as far as the census goes. */
  readonly census: 'known' | 'unheard' | 'untold';
}

type Inspected = Omit<Inspection, 'census'>;

export interface InspectedAt {
  now: number;
  /** Whether the store answers, and is asked first for what is aged. */
  canAsk: boolean;
  isOpen: boolean;
  flight: Flight | undefined;
}

export function inspectEntry(entry: Entry | undefined, at: InspectedAt): Inspected {
  const reading = at.flight?.state;
  if (entry === undefined) {
    const lookup = at.isOpen ? undefined : failed.unavailable;
    const nothing = { source: undefined, version: undefined, awaited: undefined, ageMs: undefined };
    return { lookup, state: 'absent', ...nothing, reading };
  }
  const { version, floor: awaited, restored } = entry;
  const announced = entry.negative && entry.announced;
  return {
    lookup: lookupOf(entry, at),
    state: stateOf(entry, at.now),
    source: restored ? 'snapshot' : announced ? 'feed' : 'store',
    version,
    awaited,
    ageMs: at.now - entry.learntAt,
    reading,
  };
}

/** What is restored and was not asked for yet. */
export function inspectHolding(
  holding: Holding,
  worth: Restored,
  prepare: (content: Content) => PrepareOutcome,
  at: InspectedAt,
): Inspected {
  const { version, floor: awaited, bodyText } = holding;
  const reading = at.flight?.state;
  const prepared = bodyText === null ? undefined : prepare(holding);
  if (prepared !== undefined && prepared.outcome !== 'live') return inspectEntry(undefined, at);
  const answer: Lookup<unknown> =
    prepared === undefined
      ? absentHit.tombstone
      : { state: 'present', outcome: 'snapshot', value: prepared.value, version };
  const waits = (worth === 'aged' && at.canAsk) || (bodyText === null && awaited !== undefined);
  const lookup = waits ? undefined : answer;
  const state = awaited === undefined ? 'suspect' : 'superseded';
  return { lookup, state, source: 'snapshot', version, awaited, ageMs: undefined, reading };
}

function stateOf(entry: Entry, now: number): HeldState {
  if (entry.floor !== undefined) return 'superseded';
  if (entry.suspect) return 'suspect';
  if (!entry.negative && now >= entry.staleAt) return 'stale';
  return now >= entry.refreshAt || entry.refreshAt === Number.POSITIVE_INFINITY ? 'refresh' : 'fresh';
}

function lookupOf(entry: Entry, { now, canAsk, isOpen }: InspectedAt): Lookup<unknown> | undefined {
  const asksFirst = entry.restored === 'aged' && canAsk && now >= entry.refreshAt;
  if (!entry.negative) {
    if (now < entry.staleAt) return entry.hit;
    return asksFirst ? undefined : { ...entry.hit, outcome: entry.restored ? 'snapshot' : 'stale' };
  }
  const waits = isOpen ? undefined : failed.unavailable;
  if (entry.why === 'undecodable') return now < entry.refreshAt ? failed.undecodable : waits;
  if (entry.floor !== undefined) return waits;
  return asksFirst ? undefined : absentHit[entry.why];
}
