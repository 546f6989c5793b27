import { assert } from '../../contexts/base/assert.ts';
import type { Clock } from '../../contexts/base/clock.ts';
import { backoffMs } from '../../contexts/base/loop.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { type Identity, type Store, type StoredItem, StoreError } from '../../contexts/store.ts';
import { within } from '../within.ts';
import type { Flight } from './flight.ts';
import type { Verdict } from './judge.ts';
import { Lane } from './lane.ts';
import { failed, type Lookup } from './outcomes.ts';
import { type CacheSettings, type LaneName, laneNames } from './settings.ts';

/** How a flight ended, or one of its reads: what the store said, or that it could not be asked. */
export type Conclusion = Verdict | { verdict: 'unavailable' };

export interface FillsOptions {
  settings: CacheSettings;
  store: Pick<Store, 'read'>;
  clock: Clock;
  random: Random;
  /** Whether a table with that identity is this gateway's. Nothing is believed of another's. */
  owns(identity: Identity): boolean;
  /** A batch came back, from a table of ours. */
  answered(identity: Identity | undefined): void;
  storeFailed(error: unknown): void;
  judge(flight: Flight, item: StoredItem | undefined, identity: Identity | undefined): Verdict;
  /** A read was in vain and is repeated after a rest. */
  repeated(flight: Flight, conclusion: Conclusion): void;
  /** Keeps what the flight brought, and returns what those who wait for it are told. Called once a flight. */
  conclude(flight: Flight, conclusion: Conclusion): Lookup<unknown>;
}

/** All flights of the cache: starts them, reads them in batches, repeats them where they must not end yet. */
export class Fills {
  readonly #options: FillsOptions;
  /** By `refText`; none of them settled. Each is counted in one lane, which bounds them all. */
  readonly #flights = new Map<string, Flight>();
  readonly #lanes: Record<LaneName, Lane>;
  /** Reads the store has not answered yet, so that stopping can wait for them. Bounded by the lanes. */
  readonly #reading = new Set<Promise<void>>();
  /** Look-ups waiting now. */
  #waiters = 0;
  /** Batches that failed since the last that was answered. */
  #failures = 0;
  #failedAt = 0;
  #epoch = 0;
  #stopped = false;

  constructor(options: FillsOptions) {
    this.#options = options;
    const { settings, clock } = options;
    const lane = (name: LaneName) =>
      new Lane(name, {
        ...settings.lanes[name],
        lingerMs: name === 'cold' || name === 'unknown' ? settings.lingerMs : 0,
        // Only what nobody waits for can wait for the store to recover.
        pauses:
          name === 'background'
            ? { firstMs: settings.rereadFirstMs * 4, maxMs: settings.retryMs * 5 }
            : undefined,
        clock,
        read: (flights) => this.#read(flights),
      });
    this.#lanes = Object.fromEntries(laneNames.map((name) => [name, lane(name)])) as Record<LaneName, Lane>;
  }

  find(ref: string): Flight | undefined {
    return this.#flights.get(ref);
  }

  hasRoom(lane: LaneName): boolean {
    return this.#lanes[lane].hasRoom;
  }

  start(flight: Flight): Flight {
    assert(!this.#stopped, 'nothing is read after the stop');
    assert(!this.#flights.has(flight.ref), `${flight.ref} is in flight already`);
    this.#flights.set(flight.ref, flight);
    this.#lanes[flight.lane].enter(flight);
    this.#lanes[flight.lane].enqueue(flight);
    return flight;
  }

  /** Moves the flight to a more urgent lane, if that has room. */
  hurry(flight: Flight, to: LaneName): void {
    if (laneNames.indexOf(flight.lane) <= laneNames.indexOf(to) || !this.#lanes[to].hasRoom) return;
    this.#lanes[flight.lane].leave(flight);
    this.#lanes[to].enter(flight);
    if (flight.state === 'queued') this.#lanes[to].enqueue(flight);
  }

  /** From now on reads that began earlier count as begun before something was missed. */
  nextEpoch(): void {
    this.#epoch += 1;
  }

  /** Whether the flight's latest read began before the latest {@link nextEpoch}. */
  isOutdated(flight: Flight): boolean {
    return flight.epoch !== this.#epoch;
  }

  /** What the flight will bring, or `unavailable` after `waitMs`. */
  wait(flight: Flight): Promise<Lookup<unknown>> {
    const { clock, settings } = this.#options;
    flight.waiting ??= Promise.withResolvers();
    flight.deadline ??= clock.timer(settings.waitMs, () => this.answer(flight, failed.unavailable));
    flight.waiters += 1;
    this.#waiters += 1;
    return flight.waiting.promise;
  }

  /** Answers those who wait now; later ones wait anew. */
  answer(flight: Flight, lookup: Lookup<unknown>): void {
    flight.deadline?.cancel();
    flight.deadline = undefined;
    flight.waiting?.resolve(lookup);
    flight.waiting = undefined;
    this.#waiters -= flight.waiters;
    flight.waiters = 0;
  }

  get hasRoomToWait(): boolean {
    return this.#waiters < this.#options.settings.waitersMax;
  }

  stats() {
    const batches = laneNames.reduce((sum, name) => sum + this.#lanes[name].batches, 0);
    // A failure is news for a while only: if nothing has been read since, nothing was wanted.
    const { clock, settings } = this.#options;
    const recent = clock.monotonic() - this.#failedAt < settings.retryMs * 3;
    const failures = recent ? this.#failures : 0;
    return { flights: this.#flights.size, batches, waiters: this.#waiters, failures };
  }

  /** Ends every flight as `unavailable`, starts no more, and waits (a while) for the reads under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const name of laneNames) this.#lanes[name].close();
    for (const flight of [...this.#flights.values()]) this.#finish(flight, { verdict: 'unavailable' });
    const patience = new AbortController();
    const { clock, settings } = this.#options;
    await Promise.race([Promise.all(this.#reading), clock.sleep(settings.readTimeoutMs, patience.signal)]);
    patience.abort();
  }

  /** Reads a batch and settles, or rests, each of its flights. Resolves when the store is done with it. */
  async #read(flights: readonly Flight[]): Promise<'answered' | 'failed'> {
    const { clock, settings, store, owns } = this.#options;
    const refs: ContextRef[] = flights.map(({ kind, key }) => ({ kind, key }));
    for (const flight of flights) {
      flight.to('reading');
      flight.attempts += 1;
      flight.epoch = this.#epoch;
    }
    const reading = (async () => store.read(refs))();
    const nothing = () => {};
    const done = reading.then(nothing, nothing);
    this.#reading.add(done);
    void done.then(() => this.#reading.delete(done));

    let outcome: 'answered' | 'failed' = 'answered';
    try {
      const { items, identity } = await within(
        clock,
        settings.readTimeoutMs,
        'reading contexts',
        () => reading,
      );
      if (identity !== undefined && !owns(identity)) {
        throw new StoreError('STORE_FOREIGN', 'the table now belongs to another environment or region');
      }
      this.#failures = 0;
      this.#options.answered(identity);
      for (const flight of flights) {
        this.#guarded(flight, () =>
          this.#settle(flight, this.#options.judge(flight, items.get(flight.ref), identity)),
        );
      }
    } catch (error) {
      outcome = 'failed';
      this.#failures += 1;
      this.#failedAt = clock.monotonic();
      this.#options.storeFailed(error);
      for (const flight of flights)
        this.#guarded(flight, () => this.#settle(flight, { verdict: 'unavailable' }));
    }
    // A read that timed out keeps its place until the store lets go of it, so that a store that hangs is not asked
    // ever more; but not for ever, or a single lost answer would cost the lane a place for good.
    const patience = new AbortController();
    await Promise.race([done, clock.sleep(settings.readTimeoutMs * 4, patience.signal)]);
    patience.abort();
    return outcome;
  }

  /** A fault in settling one flight must not cost the others of its batch their answer. */
  #guarded(flight: Flight, settle: () => void): void {
    if (flight.state !== 'reading') return; // stopped meanwhile
    try {
      settle();
    } catch (error) {
      this.#options.storeFailed(error);
      if (flight.state === 'reading') this.#finish(flight, { verdict: 'unavailable' });
    }
  }

  #settle(flight: Flight, conclusion: Conclusion): void {
    const { clock, random, settings, repeated } = this.#options;
    if (!mustRepeat(flight, conclusion) || flight.attempts >= settings.attemptsMax) {
      this.#finish(flight, conclusion);
      return;
    }
    repeated(flight, conclusion);
    flight.to('resting');
    const restMs = jittered(
      random,
      backoffMs(flight.attempts, settings.rereadFirstMs, settings.rereadMaxMs),
      0.3,
    );
    flight.rest = clock.timer(restMs, () => {
      flight.to('queued');
      this.#lanes[flight.lane].enqueue(flight);
    });
  }

  #finish(flight: Flight, conclusion: Conclusion): void {
    const lookup = this.#options.conclude(flight, conclusion);
    flight.to('settled');
    flight.rest?.cancel();
    this.#flights.delete(flight.ref);
    this.#lanes[flight.lane].leave(flight);
    this.answer(flight, lookup);
  }
}

/** Something newer is known to exist and was not read. What cannot be decoded is not mended by reading it again. */
function mustRepeat(flight: Flight, { verdict }: Conclusion): boolean {
  switch (verdict) {
    case 'behind':
      return true;
    case 'not-whole':
    case 'unavailable':
      return flight.floor !== undefined && flight.floorIs === 'live';
    default:
      return false;
  }
}
