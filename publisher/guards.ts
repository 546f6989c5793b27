import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { claimLosses } from '../hub/db/budget.ts';
import type { Db } from '../hub/db/client.ts';
import { readFreezes } from '../hub/db/freezes.ts';
import { freezeModes } from '../hub/db/guard-schema.ts';
import { countHolds, noteInvalid } from '../hub/db/holds.ts';
import type { PublisherConfig } from './config.ts';
import { Freezes } from './freezes.ts';
import type { GuardPort } from './guard.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { Regions } from './regions.ts';

/** What guards the regions of one publisher: its view of the freeze switch, and a port to each region's budget. */
export interface Guards {
  freezes: Freezes;
  of(region: string): GuardPort;
  /** Brings the gauges of what is held and frozen up to date. */
  collect(): Promise<void>;
}

export function openGuards(parts: {
  db: Db;
  clock: Clock;
  log: Logger;
  metrics: PublisherMetrics;
  config: PublisherConfig;
  regions(): Regions;
}): Guards {
  const { db, clock, log, metrics, config } = parts;
  const freezes = new Freezes({
    clock,
    log,
    read: () => readFreezes(db),
    regions: () =>
      parts
        .regions()
        .all()
        .map(({ id }) => id),
    sweep: async (region) => parts.regions().get(region)?.enqueueSweep({ cause: 'recovery' }),
    onError: (error) =>
      log.warn({ err: error }, 'the freeze switch could not be read; what was known last holds'),
  });
  const budget = { percent: config.lossesPercent, min: config.lossesMin, windowMs: config.lossesWindowMs };
  return {
    freezes,
    of: (region) => ({
      windowMs: config.lossesWindowMs,
      async claim(kind, wanted) {
        const held = await claimLosses(db, { region, ...budget }, kind, wanted);
        const first = held.values().next().value;
        if (first) {
          const examples = [...held.keys()].slice(0, 5);
          log.error(
            { region, kind, held: held.size, ...first, examples },
            'held: too much would be lost at once; the last good state stays. Undo the change, or sweep the region and approve that sweep',
          );
        }
        return held;
      },
      noteInvalid: (found) => noteInvalid(db, region, found),
      freeze: () => freezes.modeOf(region),
    }),
    async collect() {
      metrics.frozen.reset();
      for (const { id } of parts.regions().all()) {
        for (const mode of freezeModes)
          metrics.frozen.set({ region: id, mode }, freezes.modeOf(id) === mode ? 1 : 0);
      }
      const counts = await countHolds(db);
      metrics.held.reset();
      for (const { contexts, ...labels } of counts) metrics.held.set({ ...labels }, contexts);
    },
  };
}
