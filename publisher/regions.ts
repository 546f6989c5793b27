import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import type { RefreshJob } from './jobs.ts';
import type { Region } from './region.ts';

/** A region's row, as far as it matters here. */
export interface RegionRow {
  id: string;
  storeEndpoint: string | null;
  storeAwsRegion: string | null;
  storeTable: string;
  status: 'seeding' | 'active' | 'draining' | 'disabled';
}

export interface RegionsOptions {
  clock: Clock;
  /** All rows of the table. */
  list(): Promise<readonly RegionRow[]>;
  open(row: RegionRow): Region;
  onClosed(id: string): void;
  onError(error: unknown): void;
}

/** Refresh jobs that may wait for another publisher to whom the region's store answers. */
const leftToOthersMax = 100;

/**
 * The regions that are published to: those of the table that are not disabled. Follows the table (woken by NOTIFY,
 * with a poll behind it): a region is opened when its row appears, closed when it goes or is disabled, and closed
 * and opened when its store changes.
 */
export class Regions implements AsyncDisposable {
  readonly #options: RegionsOptions;
  readonly #open = new Map<string, { region: Region; store: string }>();
  readonly loop: Loop;

  constructor(options: RegionsOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: 'regions',
      clock: options.clock,
      everyMs: 5000,
      retryMs: (failures) => backoffMs(failures, 200, 5000),
      turn: () => this.#follow(),
      onError: options.onError,
    });
  }

  start(): void {
    this.loop.start();
  }

  wake(): void {
    this.loop.wake();
    for (const region of this.all()) region.probe();
  }

  all(): Region[] {
    return [...this.#open.values()].map(({ region }) => region);
  }

  get(id: string): Region | undefined {
    return this.#open.get(id)?.region;
  }

  /**
   * Makes the jobs, unless the region is unknown, disabled or takes none: then its next sweep does their work.
   *
   * What takes access away does not wait for that where the region's store does not answer: it may answer another
   * publisher, which then takes the job. Where it answers nobody, they wait, up to a bound, and go first when it does.
   */
  async enqueueRefresh(id: string, jobs: readonly RefreshJob[]): Promise<void> {
    const region = this.get(id);
    if (region?.accepts) return region.enqueueRefresh(jobs);
    const tightening = region?.state === 'behind' ? jobs.filter((job) => job.tightens) : [];
    if (tightening.length === 0 || (await region!.jobsUnfinished()) >= leftToOthersMax) return;
    await region!.enqueueRefresh(tightening);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.loop.stop();
    await Promise.all(this.all().map((region) => region[Symbol.asyncDispose]()));
  }

  async #follow(): Promise<void> {
    const all = await this.#options.list();
    const rows = all.filter((row) => row.status !== 'disabled');
    const wanted = new Map(rows.map((row) => [row.id, row]));
    for (const [id, { region, store }] of this.#open) {
      const row = wanted.get(id);
      if (row && storeOf(row) === store) continue;
      this.#open.delete(id);
      if (!row) {
        const isGone = !all.some((one) => one.id === id);
        await (isGone ? region.clearQueues() : region.unschedule()).catch(this.#options.onError);
      }
      await region[Symbol.asyncDispose]();
      this.#options.onClosed(id);
    }
    for (const row of rows) {
      if (this.#open.has(row.id)) continue;
      const region = this.#options.open(row);
      this.#open.set(row.id, { region, store: storeOf(row) });
      region.start();
    }
  }
}

function storeOf(row: RegionRow): string {
  return JSON.stringify([row.storeEndpoint, row.storeAwsRegion, row.storeTable]);
}
