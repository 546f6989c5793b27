import { chunked } from '../contexts/base/bounded.ts';
import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { type ContextRef, refText } from '../contexts/kinds/index.ts';
import { limits } from '../contexts/limits.ts';
import type { Change, Takes } from '../hub/db/outbox.ts';
import type { RefreshJob } from './jobs.ts';

/**
 * Moves changes from the outbox to the regions' queues.
 *
 * A turn: *claim* rows (a lease, committed before anything else happens) -> *resolve* which regions hold what
 * changed, now that it is committed -> *enqueue* -> *complete* (remove the rows).
 *
 * Rows that changed a placement are another relay's, which takes nothing else: it also *cascades* them (bumps the
 * contexts that follow the placement; they come back as rows of their own), one by one, renewing its lease on the
 * way. That may take long, or wait for somebody's lock, and revocations do not wait behind it.
 *
 * It may stop anywhere. Before *complete* the rows are still there, and when the lease is over any relay takes them
 * again: jobs may then exist twice, which is harmless, and none is lost. Several relays may run at once.
 *
 * Woken by NOTIFY; the poll is for notifications that were lost.
 */
export interface RelayPorts {
  claim(claim: { claimant: string; leaseMs: number; limit: number; takes: Takes }): Promise<Change[]>;
  /** @param onProgress called now and then while it goes on. */
  cascade(placed: PlacementChange, onProgress: () => Promise<void>): Promise<void>;
  /** Regions each context is or was lately held in, by `refText`. */
  holders(refs: readonly ContextRef[]): Promise<ReadonlyMap<string, readonly string[]>>;
  enqueue(region: string, jobs: readonly RefreshJob[]): Promise<void>;
  complete(claimant: string, ids: readonly number[]): Promise<void>;
  release(claimant: string, ids: readonly number[]): Promise<void>;
  renew(claim: { claimant: string; leaseMs: number }, ids: readonly number[]): Promise<void>;
}

/** How a cluster's placements changed: it came to a region, left one, or both. */
export interface PlacementChange {
  clusterId: string;
  arrives: boolean;
  leaves: boolean;
}

export interface RelayOptions {
  takes: Takes;
  ports: RelayPorts;
  clock: Clock;
  /** Names this relay in the rows it has claimed; unique among all that run. */
  claimant: string;
  leaseMs: number;
  pollMs: number;
  claimMax: number;
  onRelayed(rows: number, jobs: number): void;
  onError(error: unknown): void;
}

export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly loop: Loop;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: options.takes === 'placements' ? 'placement relay' : 'relay',
      clock: options.clock,
      everyMs: options.pollMs,
      retryMs: (failures) => backoffMs(failures, 100, 5000),
      turn: () => this.turn(),
      onError: options.onError,
    });
  }

  start(): void {
    this.loop.start();
  }

  /** There may be something in the outbox. */
  wake(): void {
    this.loop.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.loop.stop();
  }

  /** One turn; `'again'` while there may be more. */
  async turn(): Promise<'again' | undefined> {
    const { ports, takes, claimant, leaseMs, claimMax } = this.#options;
    const claimed = await ports.claim({ claimant, leaseMs, limit: claimMax, takes });
    if (claimed.length === 0) return undefined;
    if (takes === 'placements') {
      await this.#relayPlacements(claimed);
      return 'again';
    }
    try {
      await this.#complete(claimed, await this.#enqueue(claimed));
    } catch (error) {
      const ids = claimed.map((change) => change.id);
      await ports.release(claimant, ids).catch(() => {}); // the lease gives them back anyway
      throw error;
    }
    return 'again';
  }

  /** One whose cascade failed stays leased, so that it is tried again later and holds up no other. */
  async #relayPlacements(claimed: readonly Change[]): Promise<void> {
    const { ports, onError } = this.#options;
    const left = new Set(claimed.map((change) => change.id));
    const holdOn = () => ports.renew(this.#options, [...left]);
    // A cluster that is moved changes placements twice, and what follows it needs to be bumped but once.
    for (const changes of Map.groupBy(claimed, (change) => change.key).values()) {
      const arrives = changes.some((change) => !change.tightens);
      const leaves = changes.some((change) => change.tightens);
      try {
        // A cluster goes before the keys that point at it, and leaves after them.
        let jobs = arrives ? await this.#enqueue(changes) : 0;
        await ports.cascade({ clusterId: changes[0]!.key, arrives, leaves }, holdOn);
        if (!arrives) jobs = await this.#enqueue(changes);
        await this.#complete(changes, jobs);
      } catch (error) {
        onError(error);
      }
      for (const change of changes) left.delete(change.id);
      if (left.size > 0) await holdOn();
    }
  }

  /** Returns how many jobs it made. */
  async #enqueue(changes: readonly Change[]): Promise<number> {
    const { ports } = this.#options;
    const jobs = toJobs(changes, await ports.holders(changes));
    let count = 0;
    for (const [region, regionJobs] of jobs) {
      await ports.enqueue(region, regionJobs);
      count += regionJobs.length;
    }
    return count;
  }

  async #complete(changes: readonly Change[], jobs: number): Promise<void> {
    const { ports, claimant, onRelayed } = this.#options;
    await ports.complete(
      claimant,
      changes.map((change) => change.id),
    );
    onRelayed(changes.length, jobs);
  }
}

/** Jobs by region: what tightens access first and apart, each context once, `limits.batchMax` a job. */
export function toJobs(
  changes: readonly Change[],
  holders: ReadonlyMap<string, readonly string[]>,
): Map<string, RefreshJob[]> {
  const byRegion = new Map<string, Map<string, Change>>();
  for (const change of changes) {
    const text = refText(change);
    for (const region of new Set([...change.regions, ...(holders.get(text) ?? [])])) {
      const ofRegion = byRegion.get(region) ?? new Map<string, Change>();
      byRegion.set(region, ofRegion);
      const earlier = ofRegion.get(text);
      if (!earlier || (change.tightens && !earlier.tightens)) ofRegion.set(text, change);
    }
  }
  const jobs = new Map<string, RefreshJob[]>();
  for (const [region, ofRegion] of byRegion) {
    const regionJobs: RefreshJob[] = [];
    for (const tightens of [true, false]) {
      const some = [...ofRegion.values()].filter((change) => change.tightens === tightens);
      for (const chunk of chunked(some, limits.batchMax)) {
        regionJobs.push({
          refs: chunk.map(({ kind, key }) => [kind, key]),
          tightens,
          changedAtMs: Math.min(...chunk.map((change) => change.createdAtMs)),
        });
      }
    }
    jobs.set(region, regionJobs);
  }
  return jobs;
}
