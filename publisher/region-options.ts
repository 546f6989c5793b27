import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { Random } from '../contexts/base/random.ts';
import type { IdentityOwner, Store } from '../contexts/store.ts';
import type { Receipt } from '../hub/db/receipts.ts';
import type { CollectorPorts } from './collector.ts';
import type { GuardPort } from './guard.ts';
import type { SweepJob } from './jobs.ts';
import type { KeyUseCollectorOptions } from './key-uses.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { Publisher, PublisherPort } from './publish.ts';
import type { Queues } from './queues.ts';

/** What a region is made of, and what it asks of others. */
export interface RegionOptions {
  owner: IdentityOwner;
  store: Store;
  queues: Queues;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: PublisherMetrics;
  hub(store: Store): PublisherPort;
  guard: GuardPort;
  /** Runs one sweep to its end; the row that asked for it is `sweepId`, or none. */
  sweep(
    job: SweepJob,
    region: { store: Store; publisher: Publisher; hub: PublisherPort; signal: AbortSignal },
  ): Promise<void>;
  /**
   * The region's table is not verified to hold everything: it is to be seeded, unless it is being seeded already.
   * @param fresh the table's incarnation, where nothing was published to it yet.
   */
  requestSeeding(fresh: string | undefined): Promise<void>;
  sweepEveryMs: number;
  putConcurrency: number;
  refreshConcurrency: number;
  jobLockMs: number;
  snapshotAgeMaxMs: number;
  breakerFailuresMax: number;
  collector: CollectorPorts & { everyMs: number; awaitedEveryMs: number };
  /** Write down the last use of agent keys, and that all was read. */
  keyUses: Pick<KeyUseCollectorOptions, 'record' | 'noteRead'>;
  writeReceipt(receipt: Receipt): Promise<void>;
}
