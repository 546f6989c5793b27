import type { Clock } from '../../contexts/base/clock.ts';

/** Where the time of something goes that is done in phases, one after another: milliseconds of each, by its name. */
export class Phases {
  readonly #clock: Clock;
  readonly #spentMs = new Map<string, number>();
  #phase: string;
  #sinceMs: number;

  constructor(clock: Clock, first: string) {
    this.#clock = clock;
    this.#phase = first;
    this.#sinceMs = clock.monotonic();
  }

  /** The next one begins. One that is entered again is counted together with what it took before. */
  enter(phase: string): void {
    const nowMs = this.#clock.monotonic();
    this.#spentMs.set(this.#phase, (this.#spentMs.get(this.#phase) ?? 0) + nowMs - this.#sinceMs);
    this.#phase = phase;
    this.#sinceMs = nowMs;
  }

  /** In whole milliseconds, the present one included. */
  spentMs(): Record<string, number> {
    this.enter(this.#phase);
    return Object.fromEntries([...this.#spentMs].map(([phase, ms]) => [phase, Math.round(ms)]));
  }
}
