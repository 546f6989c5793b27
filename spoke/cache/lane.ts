import { assert } from '../../contexts/base/assert.ts';
import type { Clock, Timer } from '../../contexts/base/clock.ts';
import { backoffMs } from '../../contexts/base/loop.ts';
import type { Flight } from './flight.ts';
import { batchKeysMax, type LaneName } from './settings.ts';

export interface LaneOptions {
  batchesMax: number;
  flightsMax: number;
  lingerMs: number;
  /** The wait after a batch that failed, doubling with each one that follows; none where somebody waits. */
  pauses: { firstMs: number; maxMs: number } | undefined;
  clock: Clock;
  /** Reads and settles the flights. Resolves when the store is done with it, and never rejects. */
  read(flights: readonly Flight[]): Promise<'answered' | 'failed'>;
}

/**
 * One of the cache's ways to the store: gathers queued flights into batches and keeps a bounded number of batches
 * in flight. While all of them are taken, flights gather: the busier the store, the fuller the batches.
 *
 * A lane is *idle* (nothing queued), *gathering* (a pump is scheduled), *busy* (all batches in flight; the next one
 * that returns pumps) or, if it `pauses`, *paused* after a batch that failed (the pause's end pumps).
 */
export class Lane {
  readonly name: LaneName;
  readonly #options: LaneOptions;
  /** In order of arrival. May hold flights that have left for another lane meanwhile: they are skipped. */
  #queue: Flight[] = [];
  /** Flights that count here, from entering to leaving: queued, reading and resting. At most `flightsMax`. */
  #flights = 0;
  /** At most `batchesMax`. */
  #batches = 0;
  #gathering = false;
  #pause: Timer | undefined;
  #failures = 0;
  #closed = false;

  constructor(name: LaneName, options: LaneOptions) {
    this.name = name;
    this.#options = options;
  }

  get flights(): number {
    return this.#flights;
  }

  get batches(): number {
    return this.#batches;
  }

  get hasRoom(): boolean {
    return this.#flights < this.#options.flightsMax;
  }

  /** Counts the flight here. The caller has seen that there is room. */
  enter(flight: Flight): void {
    assert(this.hasRoom, `lane ${this.name} is full`);
    flight.lane = this.name;
    this.#flights += 1;
  }

  leave(flight: Flight): void {
    assert(flight.lane === this.name && this.#flights > 0, `${flight.ref} is not in lane ${this.name}`);
    this.#flights -= 1;
  }

  /** Puts a queued flight at the end of the queue. */
  enqueue(flight: Flight): void {
    assert(
      flight.state === 'queued' && flight.lane === this.name,
      `${flight.ref} cannot queue in lane ${this.name}`,
    );
    this.#queue.push(flight);
    this.#gather();
  }

  /** Starts no more batches. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#pause?.cancel();
  }

  #gather(): void {
    if (this.#gathering || this.#closed || this.#pause || this.#batches >= this.#options.batchesMax) return;
    this.#gathering = true;
    const pump = () => {
      this.#gathering = false;
      this.#pump();
    };
    if (this.#options.lingerMs > 0) this.#options.clock.timer(this.#options.lingerMs, pump);
    else queueMicrotask(pump);
  }

  #pump(): void {
    while (!this.#closed && !this.#pause && this.#batches < this.#options.batchesMax) {
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#batches += 1;
      void this.#options.read(batch).then((outcome) => this.#returned(outcome));
    }
  }

  #returned(outcome: 'answered' | 'failed'): void {
    assert(this.#batches > 0, `lane ${this.name} got back a batch it did not send`);
    this.#batches -= 1;
    this.#failures = outcome === 'failed' ? this.#failures + 1 : 0;
    const { pauses, clock } = this.#options;
    if (this.#failures > 0 && pauses && !this.#pause && !this.#closed) {
      this.#pause = clock.timer(backoffMs(this.#failures, pauses.firstMs, pauses.maxMs), () => {
        this.#pause = undefined;
        this.#pump();
      });
      return;
    }
    this.#pump();
  }

  /** The next flights that still want to be read here. */
  #take(): Flight[] {
    const batch: Flight[] = [];
    let taken = 0;
    while (taken < this.#queue.length && batch.length < batchKeysMax) {
      const flight = this.#queue[taken++]!;
      if (flight.lane === this.name && flight.state === 'queued') batch.push(flight);
    }
    this.#queue.splice(0, taken);
    return batch;
  }
}
