import type { Clock, Timer } from '../../contexts/base/clock.ts';

interface Pending {
  dueAt: number;
  order: number;
  fire(): void;
}

/**
 * A clock that stands still until the test moves it. Wall and monotonic time move together under `advance`;
 * `stepWall` moves the wall alone, in either direction, as a correction by NTP does.
 */
export class VirtualClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(startMs = Date.UTC(2030, 0, 1)) {
    this.#wall = startMs;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.timer(ms, done);
      function done() {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      }
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  timer(ms: number, fn: () => void): Timer {
    const pending = { dueAt: this.#monotonic + Math.max(0, ms), order: this.#order++, fire: fn };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Sleeps and timers not over yet. */
  get pending(): number {
    return this.#pending.size;
  }

  stepWall(ms: number): void {
    this.#wall += ms;
  }

  /**
   * Moves time by `ms`, firing what falls due on the way in order, each at its own time, and letting everything
   * that follows from it run before the next.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#nextDue(end); next; next = this.#nextDue(end)) {
      this.#moveTo(next.dueAt);
      this.#pending.delete(next);
      next.fire();
      await settle();
    }
    this.#moveTo(end);
    await settle();
  }

  #moveTo(monotonic: number): void {
    const by = Math.max(0, monotonic - this.#monotonic);
    this.#monotonic += by;
    this.#wall += by;
  }

  #nextDue(end: number): Pending | undefined {
    return [...this.#pending]
      .filter((pending) => pending.dueAt <= end)
      .sort((a, b) => a.dueAt - b.dueAt || a.order - b.order)[0];
  }
}

/** Lets every microtask, and what the event loop holds ready, run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
