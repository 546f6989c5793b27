import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { type Bucket, look, type RateLimit, type RateState, take } from './bucket.ts';

/**
 * Counts the requests that are granted to a key. Asked last, about requests that nothing else refuses, so that what is
 * refused costs the key nothing.
 *
 * Where several processes serve one gateway, an implementation may count for all of them: then it may have to ask, and
 * answers with a promise. It never rejects: who cannot count grants.
 */
export interface RateLimiter {
  take(keyId: string, rate: RateLimit): RateState | Promise<RateState>;
  /** How it stands with the key, without a request. */
  look(keyId: string, rate: RateLimit): RateState | Promise<RateState>;
}

/** Counts in the memory of this process. */
export class LocalRateLimiter implements RateLimiter {
  readonly #buckets: LRUCache<string, Bucket>;
  readonly #clock: Clock;

  /** @param keysMax keys that are counted at a time; of more, those that were asked for longest ago begin anew. */
  constructor(options: { clock: Clock; keysMax: number }) {
    this.#clock = options.clock;
    this.#buckets = new LRUCache({ max: options.keysMax });
  }

  take(keyId: string, rate: RateLimit): RateState {
    const nowMs = this.#clock.monotonic();
    let bucket = this.#buckets.get(keyId);
    if (bucket === undefined) {
      bucket = { level: 0, atMs: nowMs };
      this.#buckets.set(keyId, bucket);
    }
    return take(bucket, rate, nowMs);
  }

  look(keyId: string, rate: RateLimit): RateState {
    const nowMs = this.#clock.monotonic();
    return look(this.#buckets.peek(keyId) ?? { level: 0, atMs: nowMs }, rate, nowMs);
  }

  /** Keys that are counted now. */
  get keys(): number {
    return this.#buckets.size;
  }
}
