import type { Clock } from '../../contexts/base/clock.ts';
import { backoffMs, Loop } from '../../contexts/base/loop.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import { batchKeysMax } from './settings.ts';

/**
 * The walk over suspect entries: whatever may have been missed is read again, asked for or not, a batch at a time
 * with a pause between.
 *
 * It is *resting* while no entry is suspect, *walking* while batches make progress, and *backing off* (up to
 * `backoffMaxMs`) while they make none, because the store is gone or goes on returning what is too old.
 */
export class SuspectWalk implements AsyncDisposable {
  /** In the order in which they are read again. A subset of the keys held. */
  readonly #waiting = new Set<string>();
  readonly #loop: Loop;
  readonly #revalidate: (ref: string) => Promise<boolean> | 'full';
  #fruitless = 0;
  /** What a turn reads and finds still suspect comes back through `add()`: that is no reason to hurry the next. */
  #turning = false;

  constructor(options: {
    clock: Clock;
    random: Random;
    everyMs: number;
    backoffMaxMs: number;
    /** Resolves with whether the key is no longer suspect. `'full'` when nothing can be started now. */
    revalidate(ref: string): Promise<boolean> | 'full';
    onError(error: unknown): void;
  }) {
    const { clock, random, everyMs, backoffMaxMs } = options;
    this.#revalidate = options.revalidate;
    this.#loop = new Loop({
      name: 'suspect-walk',
      clock,
      everyMs: () => {
        if (this.#waiting.size === 0) return 1_000;
        const waitMs = this.#fruitless > 0 ? backoffMs(this.#fruitless, everyMs * 4, backoffMaxMs) : everyMs;
        return jittered(random, waitMs, 0.3);
      },
      turn: () => this.#turn(),
      onError: options.onError,
    });
  }

  get size(): number {
    return this.#waiting.size;
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  start(): void {
    this.#loop.start();
  }

  add(ref: string): void {
    if (this.#waiting.size === 0 && !this.#turning) this.#loop.wake();
    this.#waiting.add(ref);
  }

  /** The key is no longer held, or has been read. */
  drop(ref: string): void {
    this.#waiting.delete(ref);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(): Promise<void> {
    this.#turning = true;
    try {
      await this.#readBatch();
    } finally {
      this.#turning = false;
    }
  }

  async #readBatch(): Promise<void> {
    const revalidations: Promise<boolean>[] = [];
    for (const ref of this.#waiting) {
      if (revalidations.length >= batchKeysMax) break;
      const revalidation = this.#revalidate(ref);
      if (revalidation === 'full') break;
      this.#waiting.delete(ref); // comes back through add() if it stays suspect
      revalidations.push(revalidation);
    }
    const mended = await Promise.all(revalidations);
    const progress = mended.includes(true) || this.#waiting.size === 0;
    this.#fruitless = progress ? 0 : this.#fruitless + 1;
  }
}
