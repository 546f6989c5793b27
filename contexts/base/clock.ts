/**
 * Time, as an argument.
 *
 * This file is the only home of `Date.now`, `new Date()`, `performance.now` and `setTimeout` in production code
 * (tests/architecture.test.ts). Everything that waits or asks the time is given a {@link Clock}, so that a
 * simulation can drive it.
 */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. May step in either direction. */
  now(): number;
  /** Milliseconds from an arbitrary start. Never goes back; use it for durations and ages. */
  monotonic(): number;
  /** Resolves after `ms`, at once when `signal` is or becomes aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms`, unless cancelled. Does not keep the process alive. */
  timer(ms: number, fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** A moment by both clocks, for {@link ageMsOf}. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { wallMs: clock.now(), monotonicMs: clock.monotonic() };
}

/**
 * How old something may be by now: what the clock says that says more. A machine that is suspended or hibernates stops
 * its monotonic clock for as long, and the wall may have been set back. For what must not be too old, where taking it
 * for older than it is does no harm.
 */
export function ageMsOf(moment: Moment, clock: Clock): number {
  return Math.max(clock.now() - moment.wallMs, clock.monotonic() - moment.monotonicMs);
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(handle);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const handle = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    });
  },
  timer(ms, fn) {
    const handle = setTimeout(fn, ms);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** `ms` (wall time) as an RFC 3339 timestamp in UTC with milliseconds. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
