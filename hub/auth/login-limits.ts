import { LRUCache } from 'lru-cache';
import type { Clock } from '../../contexts/base/clock.ts';

/**
 * Failed logins with application keys, counted per source address and per key id in fixed windows.
 *
 * A secret has 256 random bits, so nobody guesses one; what this protects is the database from floods, and logs
 * and metrics from noise. Hence each hub counts what it was sent itself, and it refuses as little as it can:
 * - a key that has worked from an address goes on working from it, however many others there fail (a NAT);
 * - wrong secrets for a key's id, which is no secret, never keep its holder out: they only turn the wrong ones'
 *   own answers into 429;
 * - what an address over its limit loses is the *look-up* of keys this hub has not lately seen work from there.
 *
 * Every map is an LRU of fixed size: a flood from many addresses forgets the oldest counts, and costs no memory.
 */
export class LoginLimits {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #failuresMax: number;
  readonly #sources: LRUCache<string, Window>;
  readonly #keys: LRUCache<string, Window>;
  /** `source key`: pairs that have worked. */
  readonly #trusted: LRUCache<string, true>;

  constructor(options: { clock: Clock; windowMs: number; failuresMax: number; entriesMax?: number }) {
    const max = options.entriesMax ?? 10_000;
    this.#clock = options.clock;
    this.#windowMs = options.windowMs;
    this.#failuresMax = options.failuresMax;
    this.#sources = new LRUCache({ max });
    this.#keys = new LRUCache({ max });
    this.#trusted = new LRUCache({ max });
  }

  /** Notes that the key worked from there. */
  succeeded(source: string, keyId: string): void {
    this.#trusted.set(`${source} ${keyId}`, true);
  }

  /** Counts a failure; `keyId` is undefined where the secret was malformed. */
  failed(source: string, keyId: string | undefined): void {
    this.#count(this.#sources, source);
    if (keyId !== undefined) this.#count(this.#keys, keyId);
  }

  /** Milliseconds until a key that is not known to work may be looked up for that source; 0 when it may be now. */
  lookupWaitMs(source: string, keyId: string): number {
    return this.#trusted.get(`${source} ${keyId}`) ? 0 : this.#waitMs(this.#sources.get(source));
  }

  /** Milliseconds for which a failure of that source or key is answered with 429; 0 when it is a plain 401. */
  refusalWaitMs(source: string, keyId: string | undefined): number {
    const ofKey = keyId === undefined ? 0 : this.#waitMs(this.#keys.get(keyId));
    return Math.max(this.#waitMs(this.#sources.get(source)), ofKey);
  }

  #count(windows: LRUCache<string, Window>, name: string): void {
    const now = this.#clock.monotonic();
    const window = windows.get(name);
    if (window && now < window.endsAt) window.failures += 1;
    else windows.set(name, { failures: 1, endsAt: now + this.#windowMs });
  }

  #waitMs(window: Window | undefined): number {
    if (!window || window.failures <= this.#failuresMax) return 0;
    return Math.max(0, window.endsAt - this.#clock.monotonic());
  }
}

interface Window {
  failures: number;
  /** On the monotonic clock. */
  endsAt: number;
}
