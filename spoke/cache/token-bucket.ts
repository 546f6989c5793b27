import type { Clock } from '../../contexts/base/clock.ts';

/** A budget that grows by `perSecond` up to `burst`. Starts full. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** From 0 to `#burst`, as of `#at`. */
  #tokens: number;
  #at: number;

  constructor(options: { perSecond: number; burst: number; clock: Clock }) {
    this.#perMs = options.perSecond / 1_000;
    this.#burst = options.burst;
    this.#clock = options.clock;
    this.#tokens = options.burst;
    this.#at = options.clock.monotonic();
  }

  /** Takes one token, or takes nothing and says so. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Gives back one that turned out not to be owed. */
  refund(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }
}
