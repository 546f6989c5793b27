import type { Clock } from '../contexts/base/clock.ts';

/**
 * Milliseconds by which this machine's clock is ahead of another's at least; negative where it is behind. 0 where the
 * time that the answer took explains the difference.
 */
export async function clockAheadMs(clock: Clock, other: () => Promise<number>): Promise<number> {
  const askedAtMs = clock.now();
  const otherMs = await other();
  if (askedAtMs > otherMs) return askedAtMs - otherMs;
  return Math.min(0, clock.now() - otherMs);
}
