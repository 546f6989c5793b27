import { assert } from '../../contexts/base/assert.ts';
import type { Timer } from '../../contexts/base/clock.ts';
import type { KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Lookup } from './outcomes.ts';
import type { LaneName } from './settings.ts';
import type { TokenBucket } from './token-bucket.ts';

/**
 * One key on its way from the store. There is at most one flight a key; whoever wants the key joins it.
 *
 *     queued  -> reading   its lane took it into a batch
 *     reading -> resting   what came back is older than what was announced, or the store failed and it matters
 *     resting -> queued    the backoff is over
 *     reading -> settled   something was stored, or it failed for good
 *     queued, resting -> settled   only when the cache stops
 *
 * A flight may change to a more urgent lane in any state but settled.
 */
export type FlightState = 'queued' | 'reading' | 'resting' | 'settled';

const exits: Record<FlightState, readonly FlightState[]> = {
  queued: ['reading', 'settled'],
  reading: ['resting', 'settled'],
  resting: ['queued', 'settled'],
  settled: [],
};

export class Flight {
  readonly ref: string;
  readonly kind: KindName;
  readonly key: string;
  /** Counted in this lane from creation to settlement. */
  lane: LaneName;
  #state: FlightState = 'queued';
  /**
   * The highest version announced while this flight was under way, or that its entry was superseded by before.
   * What the flight stores is never below it. Only grows.
   */
  floor: VersionText | undefined;
  /** What `floor` announced. A tombstone is in place already: nothing below it is worth another read. */
  floorIs: 'live' | 'tombstone' = 'live';
  /** Reads begun. */
  attempts = 0;
  /** The cache's epoch when the latest read began; an older one makes what it stores suspect. */
  epoch = 0;
  /** A token was taken from this budget; given back if the key turns out to be there. */
  readonly charged: TokenBucket | undefined;
  /** Those who wait for the answer share it; absent while nobody waits. */
  waiting: PromiseWithResolvers<Lookup<unknown>> | undefined;
  waiters = 0;
  /** Runs while somebody waits. */
  deadline: Timer | undefined;
  /** Runs while resting. */
  rest: Timer | undefined;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(options: {
    ref: string;
    kind: KindName;
    key: string;
    lane: LaneName;
    charged: TokenBucket | undefined;
    floor: VersionText | undefined;
  }) {
    this.ref = options.ref;
    this.kind = options.kind;
    this.key = options.key;
    this.lane = options.lane;
    this.charged = options.charged;
    this.floor = options.floor;
  }

  get state(): FlightState {
    return this.#state;
  }

  /** Resolves when the flight is settled, however. */
  get settled(): Promise<void> {
    if (this.#state === 'settled') return Promise.resolve();
    this.#settled ??= Promise.withResolvers<void>();
    return this.#settled.promise;
  }

  to(state: FlightState): void {
    assert(
      exits[this.#state].includes(state),
      `${this.ref}: a flight does not go from ${this.#state} to ${state}`,
    );
    this.#state = state;
    if (state === 'settled') this.#settled?.resolve();
  }

  /** Notes an announcement. Lower ones than the highest so far say nothing new. */
  raiseFloor(version: VersionText, is: 'live' | 'tombstone'): void {
    assert(this.#state !== 'settled', `${this.ref}: settled flights hear no announcements`);
    if (this.floor !== undefined && version <= this.floor) return;
    this.floor = version;
    this.floorIs = is;
  }
}
