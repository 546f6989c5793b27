import type { Clock } from '../contexts/base/clock.ts';
import type { RefreshJob } from './jobs.ts';

/**
 * The short way of a small change: the relay hands its jobs to the regions' publish steps in its own process, and what
 * did not go that way into the queues. On Postgres a queue takes as long as all the rest of the way to a store.
 *
 * Nothing is kept by it alone: the rows of the outbox stay, leased, until each job is published or in its queue, and
 * a process that ends in between leaves them to another relay when the lease is over. A job that is done twice, here and
 * by a worker, does no harm: it carries names, and every put is conditional.
 */
export type HandedOver =
  | 'published'
  /** To be put into the queue: there is no room, or it failed, or it takes too long. */
  | 'left';

export type JobsOfRegion = readonly [region: string, jobs: readonly RefreshJob[]];

export interface HandOverOptions {
  /** Begins publishing them, one after another, or says that the region has no room now. Never rejects. */
  publish(region: string, jobs: readonly RefreshJob[]): Promise<HandedOver> | 'left';
  clock: Clock;
  /** Milliseconds after which a region is waited for no longer: what is under way there may still end. */
  withinMs: number;
}

/**
 * Resolves with what is to be put into the queues, when that is known of all regions.
 * Undefined where no region takes any of it: then nothing was begun.
 */
export function handOver(
  jobs: readonly JobsOfRegion[],
  { publish, clock, withinMs }: HandOverOptions,
): Promise<JobsOfRegion[]> | undefined {
  const begun = jobs.map((one) => ({ one, outcome: publish(...one) }));
  if (begun.every(({ outcome }) => outcome === 'left')) return undefined;
  const settled = new AbortController();
  const late = clock.sleep(withinMs, settled.signal).then(() => 'left' as const);
  const all = begun.map(async ({ one, outcome }) => {
    const handed = await Promise.race([outcome, late]);
    return handed === 'published' ? [] : [one];
  });
  return Promise.all(all)
    .then((left) => left.flat())
    .finally(() => settled.abort());
}

/** Under way at once in one region: a store that hangs keeps no more than these from the queue. */
const atOnceMax = 4;

/** What went into the region's queue is taken to be done after so long: in health it takes a tenth of it. */
const queuedForMs = 500;

export interface LaneOptions {
  publish(job: RefreshJob): Promise<void>;
  isOpen(): boolean;
  clock: Pick<Clock, 'monotonic'>;
}

/**
 * The place of one region for what is handed over; what finds no room is for the queue. So is what loosens for a moment
 * after this publisher has put anything into the queue: a key is not to overtake the cluster that it points at. (Where
 * it does, for another publisher put the cluster there, the gateway says that the key is dangling, until the cluster
 * has come.) What tightens points at nothing new.
 */
export class Lane {
  readonly #options: LaneOptions;
  #atOnce = 0;
  #queuedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Jobs go into the region's queue now. */
  queued(): void {
    this.#queuedAt = this.#options.clock.monotonic();
  }

  take(jobs: readonly RefreshJob[]): Promise<HandedOver> | 'left' {
    const { isOpen, clock } = this.#options;
    if (this.#atOnce >= atOnceMax || !isOpen()) return 'left';
    const overtakes = clock.monotonic() - this.#queuedAt < queuedForMs;
    return overtakes && jobs.some(({ tightens }) => !tightens) ? 'left' : this.#publish(jobs);
  }

  async #publish(jobs: readonly RefreshJob[]): Promise<HandedOver> {
    this.#atOnce += 1;
    try {
      for (const job of jobs) await this.#options.publish(job);
      return 'published';
    } catch {
      return 'left'; // the worker that takes it from the queue meets the same, and tries again
    } finally {
      this.#atOnce -= 1;
    }
  }
}
