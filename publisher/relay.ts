import { chunked, settleBounded } from '../contexts/base/bounded.ts';
import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { type ContextRef, refText } from '../contexts/kinds/index.ts';
import { limits } from '../contexts/limits.ts';
import type { Change, FencedJob, Takes } from '../hub/db/outbox.ts';
import type { RefreshJob } from './jobs.ts';

/**
 * Moves changes from the outbox to the regions' queues.
 *
 * A turn: *claim* rows (a lease, committed before anything else happens) -> *resolve* which regions hold what
 * changed, now that it is committed -> *enqueue* -> *complete* (remove the rows).
 *
 * Rows that changed a placement are another relay's, which takes nothing else: it also *cascades* them (bumps the
 * contexts that follow the placement; they come back as rows of their own), renewing its lease on the way. That may
 * take long, or wait for somebody's lock, and revocations do not wait behind it. A cluster that moves is made before
 * it is broken: regions that it left are told when it has arrived where it goes, or a moment later.
 *
 * It may stop anywhere. Before *complete* the rows are still there, and when the lease is over any relay takes them
 * again: jobs may then exist twice, which is harmless, and none is lost. Several relays may run at once.
 *
 * Woken by NOTIFY; the poll is for notifications that were lost.
 */
export interface RelayPorts {
  claim(claim: { claimant: string; leaseMs: number; limit: number; takes: Takes }): Promise<Change[]>;
  /** Regions that hold a cluster now. */
  holding(clusterId: string): Promise<readonly string[]>;
  /** Bumps what follows a cluster and has the regions told that hold it. `onProgress` is called now and then. */
  cascade(placed: PlacedCluster, onProgress: () => Promise<void>): Promise<void>;
  /** Resolves when the clusters have arrived in their regions, as far as can be told; soon in any case. */
  arrival(moved: readonly PlacedCluster[]): Promise<void>;
  /** Has the regions told that a cluster left, with all that follows it. */
  depart(placed: PlacedCluster): Promise<void>;
  /** Regions each context is or was lately held in, by `refText`. */
  holders(refs: readonly ContextRef[]): Promise<ReadonlyMap<string, readonly string[]>>;
  enqueue(region: string, jobs: readonly RefreshJob[]): Promise<void>;
  /** `fenced`: the jobs that fences wait for, where any of these rows has one. */
  complete(claimant: string, ids: readonly number[], fenced?: readonly FencedJob[]): Promise<void>;
  release(claimant: string, ids: readonly number[]): Promise<void>;
  renew(claim: { claimant: string; leaseMs: number }, ids: readonly number[]): Promise<void>;
}

/** A cluster whose placements changed. */
export interface PlacedCluster {
  clusterId: string;
  /** Regions that hold it now. */
  regions: readonly string[];
  /** It came to a region. */
  arrives: boolean;
  /** It left a region. */
  leaves: boolean;
  /** The fences that stand for these changes, and so for what the cascade does. */
  fences: readonly string[];
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

const queuesAtOnce = 8;

export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly loop: Loop;
  #receipts = 0;

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

  /** A cluster whose cascade failed stays leased, so that it is tried again later and holds up no other. */
  async #relayPlacements(claimed: readonly Change[]): Promise<void> {
    const { ports, onError } = this.#options;
    const left = new Set(claimed.map((change) => change.id));
    const holdOn = () => ports.renew(this.#options, [...left]);
    const leaving: { placed: PlacedCluster; changes: readonly Change[]; jobs: Made }[] = [];
    // A cluster that is moved changes placements twice, and what follows it needs to be bumped but once.
    for (const [clusterId, changes] of Map.groupBy(claimed, (change) => change.key)) {
      try {
        const placed: PlacedCluster = {
          clusterId,
          regions: await ports.holding(clusterId),
          arrives: changes.some((change) => !change.tightens),
          leaves: changes.some((change) => change.tightens),
          fences: fencesOf(changes),
        };
        // In the queues before the rows of its keys are even written.
        const here = changes.map((change) => ({ ...change, regions: placed.regions, tightens: false }));
        const jobs = await this.#toQueues(toJobs(here, new Map()));
        await ports.cascade(placed, holdOn);
        if (placed.leaves) leaving.push({ placed, changes, jobs });
        else await this.#complete(changes, jobs);
      } catch (error) {
        onError(error);
        for (const change of changes) left.delete(change.id);
      }
      await holdOn();
    }
    const moved = leaving.map(({ placed }) => placed).filter(({ arrives }) => arrives);
    if (moved.length > 0) await ports.arrival(moved);
    for (const { placed, changes, jobs } of leaving) {
      try {
        await ports.depart(placed);
        await this.#complete(changes, jobs);
      } catch (error) {
        onError(error);
      }
    }
  }

  async #enqueue(changes: readonly Change[]): Promise<Made> {
    return this.#toQueues(toJobs(changes, await this.#options.ports.holders(changes)));
  }

  /** Side by side: the last of many regions does not wait for all others' queues. Rejects when all are done. */
  async #toQueues(jobs: ReadonlyMap<string, PlannedJob[]>): Promise<Made> {
    const { claimant, ports } = this.#options;
    const made: Made = { count: 0, fenced: [] };
    const ready = [...jobs].map(([region, regionJobs]): [string, RefreshJob[]] => {
      made.count += regionJobs.length;
      const withReceipts = regionJobs.map(({ fences = [], ...job }): RefreshJob => {
        if (fences.length === 0) return job;
        const receipt = `${claimant}.${++this.#receipts}`;
        for (const fence of fences) made.fenced.push({ fence, region, receipt });
        return { ...job, receipt };
      });
      return [region, withReceipts];
    });
    const results = await settleBounded(ready, queuesAtOnce, ([region, regionJobs]) =>
      ports.enqueue(region, regionJobs),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return made;
  }

  async #complete(changes: readonly Change[], made: Made): Promise<void> {
    const { ports, claimant, onRelayed } = this.#options;
    const ids = changes.map((change) => change.id);
    if (fencesOf(changes).length > 0) await ports.complete(claimant, ids, made.fenced);
    else await ports.complete(claimant, ids);
    onRelayed(changes.length, made.count);
  }
}

/** The jobs of a turn. */
interface Made {
  count: number;
  fenced: FencedJob[];
}

/** A job before it has a receipt. */
export interface PlannedJob extends Omit<RefreshJob, 'receipt'> {
  /** The fences of the changes in it; absent where there are none. */
  fences?: readonly string[];
}

function fencesOf(changes: readonly Change[]): string[] {
  return [...new Set(changes.flatMap((change) => change.fences))];
}

/**
 * Jobs by region: what tightens access first and apart, each context once, `limits.batchMax` a job. A change goes to
 * the regions it names and to `holders`, those that came to hold it since; one that a cascade made goes just where it
 * says, for a placement added since has a cascade of its own.
 */
export function toJobs(
  changes: readonly Change[],
  holders: ReadonlyMap<string, readonly string[]>,
): Map<string, PlannedJob[]> {
  const byRegion = new Map<string, Map<string, Change>>();
  for (const change of changes) {
    const text = refText(change);
    const since = change.cause === 'dependent' ? [] : (holders.get(text) ?? []);
    for (const region of new Set([...change.regions, ...since])) {
      const ofRegion = byRegion.get(region) ?? new Map<string, Change>();
      byRegion.set(region, ofRegion);
      const earlier = ofRegion.get(text);
      const first = !earlier || (change.tightens && !earlier.tightens) ? change : earlier;
      ofRegion.set(text, earlier ? { ...first, fences: fencesOf([earlier, change]) } : first);
    }
  }
  const jobs = new Map<string, PlannedJob[]>();
  for (const [region, ofRegion] of byRegion) {
    const regionJobs: PlannedJob[] = [];
    for (const tightens of [true, false]) {
      const some = [...ofRegion.values()].filter((change) => change.tightens === tightens);
      for (const chunk of chunked(some, limits.batchMax)) {
        const fences = fencesOf(chunk);
        regionJobs.push({
          refs: chunk.map(({ kind, key }) => [kind, key]),
          tightens,
          changedAtMs: Math.min(...chunk.map((change) => change.createdAtMs)),
          ...(fences.length > 0 ? { fences } : {}),
        });
      }
    }
    jobs.set(region, regionJobs);
  }
  return jobs;
}
