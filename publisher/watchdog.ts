import type { Clock } from '../contexts/base/clock.ts';
import { withDeadline } from '../contexts/base/deadline.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import type { Region } from './region.ts';

export interface WatchdogOptions {
  clock: Clock;
  log: Logger;
  sweepEveryMs: number;
  regions(): readonly Region[];
  /** Whether sweeps of the region are to be expected at all: not while it is frozen. */
  isSwept(region: string): boolean;
  failAbandonedSweeps(): Promise<unknown>;
  /** Milliseconds since the region's last complete sweep; undefined before the first. */
  lastSweepAgeMs(region: string): Promise<number | undefined>;
  onRestored(region: string): void;
}

/** How long one region may take to be looked after: what hangs there is not to keep the others unwatched. */
const regionMs = 10_000;

/**
 * Sees to it that every open region goes on being swept. A scheduler has been seen to stop without a word, after the
 * queue's storage lost it: one that is gone is made again, and so is one that is there and brings about no sweep.
 *
 * A region that cannot be looked after makes the turn fail, so that the watchdog's own age tells: its alarm is the
 * one that no other loop watches.
 */
export function createWatchdog(options: WatchdogOptions): Loop {
  const { clock, log, sweepEveryMs, regions } = options;

  const restore = async (region: Region, reason: string) => {
    log.warn({ region: region.id, reason }, 'the region is no longer swept; its schedule is made again');
    await region.schedule();
    await region.enqueueSweep({ cause: 'scheduled' });
    options.onRestored(region.id);
  };

  const lookAfter = async (region: Region) => {
    if (region.state !== 'open') return;
    if ((await region.lastScheduledAtMs()) === undefined) return restore(region, 'its schedule is gone');
    if (!options.isSwept(region.id)) return;
    const ageMs = (await options.lastSweepAgeMs(region.id)) ?? region.openForMs;
    if (ageMs > 2 * sweepEveryMs + 30_000)
      await restore(region, `no sweep was completed for ${Math.round(ageMs / 1000)} s`);
  };

  return new Loop({
    name: 'watchdog',
    clock,
    everyMs: Math.min(15_000, sweepEveryMs),
    async turn() {
      await options.failAbandonedSweeps();
      const looked = await Promise.allSettled(
        regions().map((region) =>
          withDeadline(
            clock,
            regionMs,
            () => lookAfter(region),
            () => new Error(`region ${region.id} could not be looked after within ${regionMs} ms`),
          ),
        ),
      );
      const failed = looked.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    },
    onError: (error) => log.warn({ err: error }, 'the watchdog could not look'),
  });
}
