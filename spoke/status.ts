import type { Clock } from '../contexts/base/clock.ts';
import { Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import type { GatewayStatus, Store } from '../contexts/store.ts';
import { within } from './within.ts';

/** A gateway that has not reported for this many periods counts as dead. */
const periodsUntilDead = 3;

export interface StatusWriterOptions {
  store: Pick<Store, 'reportGateway'>;
  clock: Clock;
  random: Random;
  everyMs: number;
  timeoutMs: number;
  /** The parts of the status that change and this writer does not know; undefined while there is nothing to tell. */
  look(): Pick<GatewayStatus, 'watermark' | 'feedIncarnation' | 'cachedContexts' | 'degraded'> | undefined;
  id: string;
  region: string;
  build: string;
  onError(error: unknown): void;
}

/**
 * Writes into the region's store that this gateway lives and how far it is: what the hub knows of gateways it reads
 * from there. A failure is reported and costs nothing but that report.
 */
export function createStatusWriter(options: StatusWriterOptions): Loop {
  const { store, clock, random, everyMs, timeoutMs, id, region, build } = options;
  const startedAtMs = clock.now();
  return new Loop({
    name: 'gateway-status',
    clock,
    everyMs: () => jittered(random, everyMs, 0.1),
    async turn() {
      const seen = options.look();
      if (seen === undefined) return;
      const reportedAtMs = clock.now();
      const expiresAtMs = reportedAtMs + periodsUntilDead * everyMs;
      const status: GatewayStatus = { id, region, build, startedAtMs, reportedAtMs, expiresAtMs, ...seen };
      await within(clock, timeoutMs, 'reporting the status', () => store.reportGateway(status));
    },
    onError: options.onError,
  });
}
