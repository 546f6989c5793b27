import { settleBounded } from '../contexts/base/bounded.ts';
import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import type { ContextRef } from '../contexts/kinds/index.ts';
import type { Change, FencedJob, Takes } from '../hub/db/outbox.ts';
import { type HandedOver, handOver, type JobsOfRegion } from './hand-over.ts';
import type { RefreshJob } from './jobs.ts';
import { fencesOf, type PlannedJob, toJobs } from './planned-jobs.ts';

/**
 * Moves changes from the outbox to the regions' queues.
 *
 * A turn: *claim* rows (a lease, committed before anything else happens) -> *resolve* which regions hold what
 * changed, now that it is committed -> *enqueue* -> *complete* (remove the rows). A few rows are *handed over* instead
 * of enqueued (publisher/hand-over.ts): their regions publish them at once, and only what they leave is enqueued. The
 * relay goes on with other rows meanwhile, so that no region waits for another.
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
  /** Regions that hold each cluster now. */
  holding(clusterIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /**
   * Bumps what follows clusters and has the regions told that hold them. `onProgress` is called now and then.
   * Rejects where one of them could not be done: some of the others may be.
   */
  cascade(placed: readonly PlacedCluster[], onProgress: () => Promise<void>): Promise<void>;
  /** Resolves when the clusters have arrived in their regions, as far as can be told; soon in any case. */
  arrival(moved: readonly PlacedCluster[]): Promise<void>;
  /** Has the regions told that a cluster left, with all that follows it. */
  depart(placed: PlacedCluster): Promise<void>;
  /** Regions each context is or was lately held in, by `refText`. */
  holders(refs: readonly ContextRef[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Publishes at once, past the queue; `left` where that is not for now. Never rejects. */
  handOver(region: string, jobs: readonly RefreshJob[]): Promise<HandedOver> | 'left';
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
/** Rows of a turn that may be handed over: what is more is bulk work, which the queues are for. */
export const handedRowsMax = 20;
/** Longer than publishing takes in health; a region that hangs costs its own rows that much, and no other's. */
const handedWithinMs = 100;

export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly loop: Loop;
  /** The turn whose rows were handed over and are not completed yet. One at a time: where more comes, the queues are. */
  #handing: Promise<void> | undefined;
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.loop.stop();
    await this.#handing;
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
    await this.#orRelease(claimed, async () => {
      const made = this.#make(toJobs(claimed, await ports.holders(claimed)));
      const handed = this.#handOver(claimed, made);
      if (handed) this.#follow(claimed, made, handed);
      else await this.#finish(claimed, made, made.ready);
    });
    return 'again';
  }

  /** Rows whose jobs could not be made are given back before their lease is over. @throws what `work` throws. */
  async #orRelease(changes: readonly Change[], work: () => Promise<void>): Promise<void> {
    const { ports, claimant } = this.#options;
    try {
      await work();
    } catch (error) {
      const ids = changes.map((change) => change.id);
      await ports.release(claimant, ids).catch(() => {}); // the lease gives them back anyway
      throw error;
    }
  }

  /** Undefined where all is for the queues. */
  #handOver(changes: readonly Change[], { ready }: Made): Promise<JobsOfRegion[]> | undefined {
    if (changes.length > handedRowsMax || this.#handing !== undefined) return undefined;
    const { ports, clock } = this.#options;
    const publish = (region: string, jobs: readonly RefreshJob[]) => ports.handOver(region, jobs);
    return handOver(ready, { publish, clock, withinMs: handedWithinMs });
  }

  /** Ends a turn whose rows were handed over, while the next are under way. */
  #follow(changes: readonly Change[], made: Made, handed: Promise<JobsOfRegion[]>): void {
    this.#handing = this.#orRelease(changes, async () => this.#finish(changes, made, await handed))
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#handing = undefined;
      });
  }

  async #finish(changes: readonly Change[], made: Made, left: readonly JobsOfRegion[]): Promise<void> {
    await this.#toQueues(left);
    await this.#complete(changes, made);
  }

  /** A cluster whose cascade failed stays leased, so that it is tried again later and holds up no other. */
  async #relayPlacements(claimed: readonly Change[]): Promise<void> {
    const { ports, onError } = this.#options;
    const left = new Set(claimed.map((change) => change.id));
    const holdOn = () => ports.renew(this.#options, [...left]);
    // A cluster that is moved changes placements twice, and what follows it needs to be bumped but once.
    const clusters = [...Map.groupBy(claimed, (change) => change.key).values()];
    const leaving: Cascaded[] = [];
    for (const changes of await this.#cascadeTogether(clusters, holdOn)) {
      try {
        const cascaded = await this.#cascade([changes], holdOn);
        if (cascaded.placed.some(({ leaves }) => leaves)) leaving.push(cascaded);
        else await this.#complete(changes, cascaded.jobs);
      } catch (error) {
        onError(error);
        for (const change of changes) left.delete(change.id);
      }
      await holdOn();
    }
    const moved = leaving.flatMap(({ placed }) => placed).filter(({ arrives }) => arrives);
    if (moved.length > 0) await ports.arrival(moved);
    for (const { placed, changes, jobs } of leaving) {
      try {
        for (const cluster of placed) await ports.depart(cluster);
        await this.#complete(changes, jobs);
      } catch (error) {
        onError(error);
      }
    }
  }

  /**
   * Those of the clusters that only arrive, where there are several: a thousand that are made at once would take a
   * minute one by one. Returns those that are to be cascaded alone: the others, and all where one of them cannot be
   * cascaded now, as only that tells which.
   */
  async #cascadeTogether(
    clusters: readonly (readonly Change[])[],
    holdOn: () => Promise<void>,
  ): Promise<readonly (readonly Change[])[]> {
    const { arrive = [], others = [] } = Object.groupBy(clusters, (changes) =>
      changes.some((change) => change.tightens) ? 'others' : 'arrive',
    );
    if (arrive.length < 2) return clusters;
    try {
      const { changes, jobs } = await this.#cascade(arrive, holdOn);
      await this.#complete(changes, jobs);
      return others;
    } catch {
      return clusters;
    }
  }

  async #cascade(clusters: readonly (readonly Change[])[], holdOn: () => Promise<void>): Promise<Cascaded> {
    const { ports } = this.#options;
    const changes = clusters.flat();
    const holding = await ports.holding(clusters.map(([first]) => first!.key));
    const placed = clusters.map((its): PlacedCluster => {
      const clusterId = its[0]!.key;
      return {
        clusterId,
        regions: holding.get(clusterId) ?? [],
        arrives: its.some((change) => !change.tightens),
        leaves: its.some((change) => change.tightens),
        fences: fencesOf(its),
      };
    });
    // In the queues before the rows of their keys are even written.
    const here = changes.map((change) => ({
      ...change,
      regions: holding.get(change.key) ?? [],
      tightens: false,
    }));
    const jobs = this.#make(toJobs(here, new Map()));
    await this.#toQueues(jobs.ready);
    await ports.cascade(placed, holdOn);
    return { placed, changes, jobs };
  }

  /** Jobs as they go out: those that fences wait for with receipts. */
  #make(planned: ReadonlyMap<string, PlannedJob[]>): Made {
    const { claimant } = this.#options;
    const made: Made = { ready: [], count: 0, fenced: [] };
    for (const [region, regionJobs] of planned) {
      made.count += regionJobs.length;
      const jobs = regionJobs.map(({ fences = [], ...job }): RefreshJob => {
        if (fences.length === 0) return job;
        const receipt = `${claimant}.${++this.#receipts}`;
        for (const fence of fences) made.fenced.push({ fence, region, receipt });
        return { ...job, receipt };
      });
      made.ready.push([region, jobs]);
    }
    return made;
  }

  /** Side by side: the last of many regions does not wait for all others' queues. Rejects when all are done. */
  async #toQueues(jobs: readonly JobsOfRegion[]): Promise<void> {
    const { ports } = this.#options;
    const results = await settleBounded(jobs, queuesAtOnce, (one) => ports.enqueue(...one));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #complete(changes: readonly Change[], made: Made): Promise<void> {
    const { ports, claimant, onRelayed } = this.#options;
    const ids = changes.map((change) => change.id);
    if (fencesOf(changes).length > 0) await ports.complete(claimant, ids, made.fenced);
    else await ports.complete(claimant, ids);
    onRelayed(changes.length, made.count);
  }
}

/** Clusters that were cascaded, and their rows, which are still there. */
interface Cascaded {
  placed: readonly PlacedCluster[];
  changes: readonly Change[];
  jobs: Made;
}

/** The jobs of a turn. */
interface Made {
  ready: JobsOfRegion[];
  count: number;
  fenced: FencedJob[];
}
