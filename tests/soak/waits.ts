import { systemClock as clock } from '../../contexts/base/clock.ts';

/**
 * Waits for what must come, and says by its name what did not: a soak that hangs tells nobody which of its parts does.
 *
 * @throws when it has not come within that time; what it was goes on behind the caller's back.
 */
export async function inTime<T>(what: string, coming: Promise<T>, withinMs: number): Promise<T> {
  const over = new AbortController();
  const late = clock.sleep(withinMs, over.signal).then(() => {
    if (!over.signal.aborted) throw new Error(`${what}: still not after ${withinMs / 1000} s`);
    return coming;
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    over.abort();
  }
}
