import type { Clock } from '../../contexts/base/clock.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import type { Store } from '../../contexts/store.ts';

export interface ExpiryOptions {
  store: Store;
  clock: Clock;
  tombstoneRetentionMs: number;
  feedRetentionMs: number;
}

/**
 * What a region need not keep any longer, as of a sweep: tombstones past their retention, old feed entries, statuses of
 * dead gateways.
 *
 * What ends too late costs a little room; a tombstone that ends too early lets a put that is still under way bring back
 * what was revoked. So it goes by a time that is surely past, of this machine's clock and the database's, and a clock
 * that is ahead ends nothing.
 */
export class Expiry {
  readonly #options: ExpiryOptions;
  /** When the sweep began, by the database's clock. */
  readonly #begunAtMs: number;

  constructor(options: ExpiryOptions, begunAtMs: number) {
    this.#options = options;
    this.#begunAtMs = begunAtMs;
  }

  isOver({ bodyText, builtAtMs, version }: Envelope): boolean {
    return (
      bodyText === null &&
      builtAtMs < this.#surelyMs() - this.#options.tombstoneRetentionMs &&
      decodeVersion(version) !== undefined
    );
  }

  /** From when on a tombstone that is made now is kept. */
  keptFromMs(): number {
    return Math.max(this.#options.clock.now(), this.#begunAtMs);
  }

  async trim(): Promise<void> {
    const { store, feedRetentionMs } = this.#options;
    const nowMs = this.#surelyMs();
    await Promise.all([store.trimFeed(nowMs - feedRetentionMs), store.trimGateways(nowMs)]);
  }

  #surelyMs(): number {
    return Math.min(this.#options.clock.now(), this.#begunAtMs);
  }
}
