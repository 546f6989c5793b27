import type { Clock } from '../contexts/base/clock.ts';
import { Loop } from '../contexts/base/loop.ts';
import type { Content } from '../contexts/envelope.ts';
import type { LoadingCache } from './cache/cache.ts';
import type { PrepareOutcome } from './cache/judge.ts';
import { type PreparedContexts, type PreparedHeartbeat, prepare } from './prepared.ts';

export interface HeartbeatOptions {
  clock: Clock;
  region: string;
  get(key: string): ReturnType<LoadingCache<PreparedContexts>['get']>;
  /** Milliseconds from when one was made at the hub until it was read here. */
  onArrived(lagMs: number): void;
  onError(error: unknown): void;
}

/** Between two look-ups that keep the heartbeat in the cache; how soon it is read is the announcements' doing. */
const lookUpEveryMs = 1_000;

/**
 * The region's heartbeat as this gateway holds it: a context like any other, kept in the cache by being asked for,
 * superseded by announcements and read again. How old it is says how far behind the hub this gateway's memory may be,
 * whichever part of the way is broken.
 *
 * Hub and gateway each read their own clock: the difference of the two is in every figure.
 */
export class Heartbeat implements AsyncDisposable {
  readonly #options: HeartbeatOptions;
  readonly #loop: Loop;
  /** When the newest one read was made at the hub. */
  #madeAtMs: number | undefined;
  readonly #bornAt: number;
  /** The store was asked, and the region has none: none are made. */
  #none = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { clock, region, get, onError } = options;
    this.#bornAt = clock.monotonic();
    this.#loop = new Loop({
      name: 'heartbeat',
      clock,
      everyMs: lookUpEveryMs,
      turn: async () => {
        this.#none = (await get(region)).state === 'absent';
      },
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Prepares one that was read, and notes that it was. */
  prepare(content: Content<'heartbeat'>): PrepareOutcome<PreparedHeartbeat> {
    const prepared = prepare.heartbeat(content);
    if (prepared.outcome === 'live') this.#arrived(prepared.value.atMs);
    return prepared;
  }

  /** The first tells how old it was when this gateway began, and nothing of the way. */
  #arrived(atMs: number): void {
    const before = this.#madeAtMs;
    if (before !== undefined && atMs <= before) return;
    this.#madeAtMs = atMs;
    if (before !== undefined) this.#options.onArrived(Math.max(0, this.#options.clock.now() - atMs));
  }

  /**
   * Milliseconds since the newest one read was made at the hub; since this gateway began, where it could not read any;
   * undefined where the region has none.
   */
  get ageMs(): number | undefined {
    const { clock } = this.#options;
    if (this.#madeAtMs !== undefined) return Math.max(0, clock.now() - this.#madeAtMs);
    return this.#none ? undefined : clock.monotonic() - this.#bornAt;
  }

  get loopAgeMs(): number {
    return this.#loop.ageMs();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }
}
