import type { Clock } from '../contexts/base/clock.ts';
import { Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import type { KeyUses, Store } from '../contexts/store.ts';
import type { RegionOptions } from './region-options.ts';

export interface KeyUseCollectorOptions {
  region: string;
  store: Pick<Store, 'listKeyUses' | 'removeKeyUses'>;
  clock: Clock;
  random: Random;
  everyMs: number;
  /** Whether the region's store is to be asked. */
  isOpen(): boolean;
  record(region: string, uses: KeyUses): Promise<void>;
  /** All that was there is recorded. */
  noteRead(region: string): Promise<void>;
  onError(error: unknown): void;
}

/** For a region, whose guarded store that is. */
export function keyUsesOf(options: RegionOptions, store: Store, isOpen: () => boolean): KeyUseCollector {
  const { owner, clock, random, log, collector, keyUses } = options;
  const { region } = owner;
  return new KeyUseCollector({
    ...{ region, store, clock, random, isOpen, everyMs: collector.everyMs, ...keyUses },
    onError: (error) => log.warn({ err: error, region }, 'the use of keys could not be read'),
  });
}

/** Read at a time: some 300 KB, well below a page of the store. */
const readMax = 10;

/**
 * Brings to the hub which agent keys a region's gateways let in. What was written down there is removed from the store,
 * so that a look finds what is new, and a look that finds nothing is one small read. Several publishers may read the
 * same: the latest use stays.
 */
export class KeyUseCollector implements AsyncDisposable {
  readonly #options: KeyUseCollectorOptions;
  readonly #loop: Loop;

  constructor(options: KeyUseCollectorOptions) {
    this.#options = options;
    const { region, clock, random, everyMs, onError } = options;
    this.#loop = new Loop({
      name: `key uses ${region}`,
      clock,
      everyMs: () => jittered(random, everyMs, 0.1),
      turn: (signal) => this.#turn(signal),
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(signal: AbortSignal): Promise<'again' | undefined> {
    const { region, store, isOpen, record, noteRead } = this.#options;
    if (!isOpen()) return undefined;
    const found = await store.listKeyUses(readMax);
    for (const uses of found) {
      if (signal.aborted) return undefined;
      await record(region, uses);
      await store.removeKeyUses(uses);
    }
    if (found.length === readMax) return 'again';
    await noteRead(region);
    return undefined;
  }
}
