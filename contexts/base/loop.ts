import type { Clock } from './clock.ts';

/**
 * Background work that repeats: the relay's poll, the feed tail, the status writer.
 *
 * States: *running a turn* -> *waiting* -> (interval over, or `wake()`) -> *running a turn* ... -> *stopped*.
 * A `wake()` during a turn is not lost: the next turn follows at once. A turn that throws is reported and the
 * loop goes on, waiting `retryMs` instead. Every loop tells its age: `ageMs()` is the time since a turn last
 * *succeeded*, the number its alarm watches.
 */
export interface LoopOptions {
  name: string;
  clock: Clock;
  /** Milliseconds between the end of a turn and the start of the next. */
  everyMs: number | (() => number);
  /** The wait after a turn that threw, given how many in a row have; default `everyMs`. */
  retryMs?: (failures: number) => number;
  /** One turn. `'again'` asks to be called at once; anything else waits. */
  turn(signal: AbortSignal): Promise<unknown>;
  onError(error: unknown): void;
}

export class Loop implements AsyncDisposable {
  readonly name: string;
  readonly #options: LoopOptions;
  readonly #stop = new AbortController();
  #wakeUp = new AbortController();
  #woken = false;
  #failures = 0;
  #succeededAt: number;
  #done: Promise<void> | undefined;

  constructor(options: LoopOptions) {
    this.name = options.name;
    this.#options = options;
    this.#succeededAt = options.clock.monotonic();
  }

  /** Begins turning. The first turn starts at once. Returns itself. */
  start(): this {
    this.#done ??= this.#run();
    return this;
  }

  /** Ends the current wait, or makes the turn that runs now be followed by another at once. */
  wake(): void {
    this.#woken = true;
    this.#wakeUp.abort();
  }

  /** Milliseconds since a turn last succeeded (since construction, before the first). */
  ageMs(): number {
    return this.#options.clock.monotonic() - this.#succeededAt;
  }

  /** Turns that failed since the last that succeeded. */
  get failures(): number {
    return this.#failures;
  }

  /** Asks the running turn to end through its signal and waits until it has. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wakeUp.abort();
    await this.#done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    const { clock, everyMs, retryMs, turn, onError } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      this.#wakeUp = new AbortController();
      let waitMs: number;
      try {
        const outcome = await turn(this.#stop.signal);
        this.#failures = 0;
        this.#succeededAt = clock.monotonic();
        if (outcome === 'again') continue;
        waitMs = typeof everyMs === 'function' ? everyMs() : everyMs;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#failures += 1;
        onError(error);
        const everyNow = typeof everyMs === 'function' ? everyMs() : everyMs;
        waitMs = retryMs ? retryMs(this.#failures) : everyNow;
        await clock.sleep(waitMs, this.#stop.signal); // a wake does not hurry what just failed
        continue;
      }
      if (!this.#woken) await clock.sleep(waitMs, this.#wakeUp.signal);
    }
  }
}

/** Doubles from `firstMs` up to `maxMs`: the wait before the attempt that follows `failures` failed ones. */
export function backoffMs(failures: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.max(0, failures - 1));
}
