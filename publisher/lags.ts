import type { Clock } from '../contexts/base/clock.ts';
import { Loop } from '../contexts/base/loop.ts';
import type { LagSample } from '../hub/db/region-lags.ts';
import type { Region } from './region.ts';

/**
 * Writes down now and then how long changes took to each region, so that people see it over time without a metrics
 * server. Heartbeats are among them; a region that is not open has none, and its state says why.
 */
export function createLags(options: {
  clock: Clock;
  everyMs: number;
  regions(): readonly Region[];
  record(samples: readonly LagSample[]): Promise<void>;
  onError(error: unknown): void;
}): Loop {
  const { clock, everyMs, regions, record, onError } = options;
  return new Loop({
    name: 'lags',
    clock,
    everyMs,
    turn: () =>
      record(
        regions().map((region) => ({
          region: region.id,
          lagMs: region.lag.take() ?? null,
          state: region.state,
        })),
      ),
    onError,
  });
}
