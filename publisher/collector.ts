import type { Clock } from '../contexts/base/clock.ts';
import { Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import type { Store } from '../contexts/store.ts';
import type { OpenFences } from '../hub/db/fences.ts';
import type { Listing, RegionReport } from '../hub/db/gateways.ts';
import { GatewayReports } from './gateway-reports.ts';

/**
 * Brings what a region's gateways report into their own store to the hub's database, so that the hub can say who has
 * seen a change without asking anybody. One a region, so that a store that hangs holds up no other (law 4).
 *
 * It looks now and then, and often while somebody waits for a fence that concerns the region.
 */
export interface CollectorOptions {
  region: string;
  store: Pick<Store, 'listGateways'>;
  clock: Clock;
  random: Random;
  everyMs: number;
  /** The pause between two looks while somebody waits. */
  awaitedEveryMs: number;
  /** How the region is. Its store is asked only while it is open. */
  look(): Omit<RegionReport, 'region'>;
  ports: CollectorPorts;
  onError(error: unknown): void;
}

export interface CollectorPorts {
  /** Writes down what was listed, and which of those fences are seen everywhere by now. */
  record(report: RegionReport, listing: Listing, fences: OpenFences): Promise<void>;
  /** Writes down how the region is, though its gateways could not be listed. */
  report(report: RegionReport): Promise<void>;
}

export class Collector implements AsyncDisposable {
  readonly #options: CollectorOptions;
  readonly #loop: Loop;
  readonly #reports = new GatewayReports();
  #awaited = false;
  /** When all open fences are to be looked at again, by the monotonic clock. */
  #allDueAt = 0;

  constructor(options: CollectorOptions) {
    const { region, clock, random, everyMs, awaitedEveryMs, onError } = options;
    this.#options = options;
    this.#loop = new Loop({
      name: `collector ${region}`,
      clock,
      everyMs: () => jittered(random, this.#awaited ? awaitedEveryMs : everyMs, 0.1),
      turn: () => this.#turn(),
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Something is to be told at once. */
  wake(): void {
    this.#loop.wake();
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  /** Whether somebody waits for a fence that concerns the region. */
  set awaited(awaited: boolean) {
    if (awaited && !this.#awaited) this.#loop.wake();
    this.#awaited = awaited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(): Promise<void> {
    const { region, store, clock, everyMs, look, ports } = this.#options;
    if (look().state !== 'open') return ports.report({ region, ...look() });
    const begunAt = clock.monotonic();
    try {
      const statuses = this.#reports.follow(await store.listGateways(0), clock.monotonic());
      const all = begunAt >= this.#allDueAt;
      const listing = { statuses, begunAgoMs: clock.monotonic() - begunAt };
      await ports.record({ region, ...look() }, listing, all ? 'all' : 'awaited');
      if (all) this.#allDueAt = begunAt + everyMs * 0.8;
    } catch (error) {
      await ports.report({ region, ...look() });
      throw error;
    }
  }
}
