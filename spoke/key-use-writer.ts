import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import { limits } from '../contexts/limits.ts';
import type { Store } from '../contexts/store.ts';
import type { GatewayConfig } from './config.ts';
import { KeyUses, type UsedKeys } from './key-uses.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Reporter } from './reporter.ts';
import { within } from './within.ts';

export interface KeyUseWriterOptions {
  store: Pick<Store, 'reportKeyUses'>;
  uses: KeyUses;
  clock: Clock;
  random: Random;
  /** The gateway's name. */
  id: string;
  /** The length of a stretch. */
  everyMs: number;
  timeoutMs: number;
  /** Keys that wait to be told at the most, while the store does not answer. */
  keysMax: number;
  /** Uses that are told nobody, because there was no room for them. */
  onLost(keys: number): void;
  onError(error: unknown): void;
}

/** As a gateway's options say; undefined where it is to tell nothing. */
export function keyUsesOf(
  config: Pick<GatewayConfig, 'keyUsesEveryMs' | 'cacheEntriesMax' | 'storeTimeoutMs'>,
  parts: Pick<KeyUseWriterOptions, 'store' | 'clock' | 'random' | 'id'> & {
    metrics: Pick<GatewayMetrics, 'keyUsesLost'>;
    report: Reporter;
  },
): KeyUseWriter | undefined {
  const { keyUsesEveryMs: everyMs, cacheEntriesMax: keysMax, storeTimeoutMs: timeoutMs } = config;
  if (everyMs === 0) return undefined;
  const { metrics, report, ...rest } = parts;
  return new KeyUseWriter({
    ...{ ...rest, everyMs, timeoutMs, keysMax },
    onLost: (keys) => metrics.keyUsesLost(keys),
    uses: new KeyUses({ keysMax }),
    onError: (error) => report.storeFailed('key-uses', error),
  });
}

/** How often it is looked whether a stretch is over. That asks nobody. */
const lookEveryMs = 1_000;
/** For which a gateway that lost uses says so: status is written and read far more often. */
const doubtMs = 120_000;
/** Between two writes: a hundred thousand keys take some ten seconds, and the feed's reads do not wait behind them. */
const pauseMs = 100;

/**
 * Leaves word in the region's store of the keys that this gateway let in: what the hub knows of their use it reads from
 * there. What could not be written is kept, with the time of its stretch, and goes first the next time; of more than
 * there is room for the oldest are lost.
 */
export class KeyUseWriter implements AsyncDisposable {
  readonly #options: KeyUseWriterOptions;
  readonly #loop: Loop;
  /** Ended stretches in words of their own, the oldest first. */
  #untold: UsedKeys[] = [];
  #place = 0;
  #dueAt: number;
  /** Uses were lost: for ever until the store takes word again, since the status gets there no sooner. */
  #doubtedUntil = Number.NEGATIVE_INFINITY;

  constructor(options: KeyUseWriterOptions) {
    this.#options = options;
    const { clock, random, everyMs, onError } = options;
    this.#dueAt = clock.monotonic() + jittered(random, everyMs, 0.1);
    this.#loop = new Loop({
      name: 'key-uses',
      clock,
      everyMs: Math.min(lookEveryMs, everyMs),
      retryMs: (failures) => jittered(random, backoffMs(failures, lookEveryMs, 60_000), 0.3),
      turn: (signal) => this.#turn(signal),
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** What it tells of. */
  get uses(): KeyUses {
    return this.#options.uses;
  }

  /** Not for a while after uses were lost: whoever reads that begins anew. */
  get tellsAll(): boolean {
    return this.#options.clock.monotonic() >= this.#doubtedUntil;
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  /** Tells what was used since the last stretch, as far as the store takes it at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { onError } = this.#options;
    await this.#loop.stop();
    this.#end();
    await this.#tell(0).catch(onError);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock, random, everyMs } = this.#options;
    if (clock.monotonic() >= this.#dueAt) {
      this.#dueAt = clock.monotonic() + jittered(random, everyMs, 0.1);
      this.#end();
    }
    await this.#tell(pauseMs, signal);
  }

  #end(): void {
    const { uses, clock, keysMax, onLost } = this.#options;
    const { ids, left } = uses.take();
    const atMs = clock.now();
    for (let from = 0; from < ids.length; from += limits.keyUsesMax)
      this.#untold.push({ atMs, ids: ids.slice(from, from + limits.keyUsesMax) });
    let waiting = this.#untold.reduce((sum, { ids }) => sum + ids.length, 0);
    let lost = left;
    while (waiting > keysMax) {
      const { length } = this.#untold.shift()!.ids;
      waiting -= length;
      lost += length;
    }
    if (lost === 0) return;
    this.#doubtedUntil = Number.POSITIVE_INFINITY;
    onLost(lost);
  }

  async #tell(pauseMs: number, signal?: AbortSignal): Promise<void> {
    const { store, clock, timeoutMs, id: gateway } = this.#options;
    for (let next = this.#untold[0]; next && !signal?.aborted; next = this.#untold[0]) {
      const { atMs, ids: keys } = next;
      const uses = { gateway, place: this.#place, atMs, keys };
      await within(clock, timeoutMs, 'reporting the use of keys', () => store.reportKeyUses(uses));
      this.#place = (this.#place + 1) % limits.keyUsePlaces;
      this.#untold.shift();
      if (this.#doubtedUntil === Number.POSITIVE_INFINITY) this.#doubtedUntil = clock.monotonic() + doubtMs;
      if (pauseMs > 0 && this.#untold.length > 0) await clock.sleep(pauseMs, signal);
    }
  }
}
