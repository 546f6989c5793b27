import type { Clock } from '../../contexts/base/clock.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import type { IdentityOwner, Store } from '../../contexts/store.ts';
import type { Takes } from '../../hub/db/outbox.ts';
import { checkNotAhead } from '../../publisher/ahead.ts';
import { Lane } from '../../publisher/hand-over.ts';
import { eachKnown, type RefreshJob } from '../../publisher/jobs.ts';
import { Publisher, type PublisherPort } from '../../publisher/publish.ts';
import { Relay, type RelayPorts } from '../../publisher/relay.ts';
import { Sweep, type SweepHub } from '../../publisher/sweep/sweep.ts';
import { openGuard } from '../publisher/open-guard.ts';
import type { Faults, Process } from './faults.ts';
import type { Hazards } from './hazards.ts';
import { BlockedError } from './hub/database.ts';
import type { SimulatedHub } from './hub/hub.ts';
import type { Job, JobQueue } from './queue.ts';
import type { SimulatedRegion } from './region.ts';
import { timing } from './timing.ts';

export interface PublisherParts {
  name: string;
  hub: SimulatedHub;
  regions: readonly { region: SimulatedRegion; queue: JobQueue }[];
  clock: Clock;
  faults: Faults;
  hazards: Hazards;
  onEvent(what: string): void;
  onViolation(what: string): void;
  plant: PublisherPlant;
}

/** What a planted bug may put between the parts of a publisher. */
export interface PublisherPlant {
  /** The region's store as the publish step and the sweep reach it. */
  store?(store: Store, region: SimulatedRegion): Store;
  relay?(ports: RelayPorts): RelayPorts;
  builds?(port: PublisherPort): PublisherPort;
  sweepHub?(hub: SweepHub): SweepHub;
}

const reads = () => true;

/** One publisher process: the production relays, publish step and sweep, started by hand. */
export class SimulatedPublisher {
  readonly #parts: PublisherParts;
  #process!: Process;
  #relays!: Record<Takes, Relay>;
  readonly #turning = new Set<Takes>();
  #lives = 0;
  #handed = 0;
  #sweeps = 0;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#start();
  }

  get process(): Process {
    return this.#process;
  }

  #start(): void {
    const { name, clock, hazards } = this.#parts;
    this.#process = { name, is: 'publisher', dead: false };
    this.#turning.clear();
    const relay = (takes: Takes) => {
      const claimant = `${name} life ${++this.#lives} ${takes}`;
      const ports = this.#relayPorts(this.#process);
      const onError = (error: unknown) => this.#failed(`the relay of ${takes}`, error);
      const claimMax = takes === 'placements' ? 2 : 10;
      const { leaseMs } = timing;
      const onRelayed = (rows: number) => hazards.met('relayed rows', rows);
      return new Relay({
        takes,
        ports,
        clock,
        claimant,
        leaseMs,
        pollMs: 1_000,
        claimMax,
        onRelayed,
        onError,
      });
    };
    this.#relays = { placements: relay('placements'), 'all-else': relay('all-else') };
  }

  /** The process is gone, with whatever it had under way; another one starts. */
  crash(): void {
    this.#process.dead = true;
    this.#parts.hazards.met('publisher: crashed');
    this.#start();
  }

  /** One turn of a relay, unless one is under way. */
  relay(takes: Takes): void {
    if (this.#turning.has(takes)) return;
    const process = this.#process;
    this.#turning.add(takes);
    const ended = () => {
      if (process === this.#process) this.#turning.delete(takes);
    };
    this.#relays[takes].turn().then(ended, (error) => {
      ended();
      this.#failed(`the relay of ${takes}`, error);
    });
  }

  /** Takes a job, or returns undefined where there is none. */
  work(regionNumber: number, nth: number | 'first'): Job | undefined {
    const { region, queue } = this.#at(regionNumber);
    const job = queue.take(nth, this.#process);
    if (!job) return undefined;
    const publisher = this.#publisher(region, this.#process);
    eachKnown(job.data, (refs) => publisher.publish({ refs })).then(
      () => queue.done(job),
      (error) => {
        this.#failed(`a refresh of ${region.id}`, error);
        queue.failed(job);
      },
    );
    return job;
  }

  /** One sweep from its beginning. Resolves with what stopped it, or undefined. */
  async sweep(regionNumber: number, abandoned = new AbortController()): Promise<unknown> {
    const { hub, clock, hazards, faults, plant, onEvent } = this.#parts;
    const { region } = this.#at(regionNumber);
    const process = this.#process;
    const store = this.#store(region, process);
    const at = <Result>(place: string, work: () => Result) => faults.call(process, place, work);
    const port: SweepHub = {
      ...this.#builds(region, process),
      range: (kind, after, limit) => at('range', () => hub.range(region.id, kind, after, limit)),
      drawRevisions: (refs) => at('drawRevisions', () => hub.drawRevisions(refs)),
      freshRevision: () => at('freshRevision', () => hub.freshRevision()),
      recallPlacements: () => at('recallPlacements', () => hub.recallPlacements(region.id)),
      highWater: () => at('highWater', () => hub.highWater()),
      outrankRevision: (revision) => at('outrankRevision', () => hub.outrankRevision(revision)),
      changedSince: async (mark) => {
        const { changed, mark: reached } = await at('changedSince', () => hub.changedSince(mark, region.id));
        return { mark: reached, pages: onePage(changed) };
      },
      currentMark: () => at('currentMark', () => hub.currentMark()),
      now: async () => clock.now(),
    };
    const sweep = new Sweep({
      store,
      hub: plant.sweepHub?.(port) ?? port,
      publisher: this.#publisher(region, process),
      clock,
      since: hub.lastMark(region.id),
      recovery: ++this.#sweeps % 2 === 0, // as after an outage, whether or not there was one
      pageRows: 2,
      settleMs: timing.settleMs,
      tombstoneRetentionMs: timing.tombstoneRetentionMs,
      feedRetentionMs: timing.feedRetentionMs,
      onProgress: async () => {},
      onHeldAhead: (ref) =>
        onEvent(`${process.name} holds ${refText(ref)} in ${region.id}: it is ahead and denies`),
    });
    try {
      const reached = await sweep.run(abandoned.signal);
      await at('completeSweep', () => hub.completeSweep(region.id, reached));
      hazards.met('sweep: completed');
      const counts = Object.entries(sweep.counts).filter(([, count]) => count > 0);
      onEvent(
        `${process.name} completes a sweep of ${region.id}: ${JSON.stringify(Object.fromEntries(counts))}`,
      );
      return undefined;
    } catch (error) {
      hazards.met('sweep: failed');
      this.#failed(`a sweep of ${region.id}`, error);
      return error;
    } finally {
      for (const drift of ['missing', 'stale', 'corrupt', 'orphan', 'ahead'] as const)
        hazards.met(`drift: ${drift}`, sweep.counts[drift]);
    }
  }

  /** As the region's prober: makes the table where there is none. */
  async probe(regionNumber: number, owner: IdentityOwner, incarnation: string): Promise<void> {
    const { region } = this.#at(regionNumber);
    const found = await region.store.readIdentity();
    if (found.outcome === 'identity') return;
    await region.store.initialise(owner, { shards: 4, newIncarnation: incarnation });
    this.#parts.onEvent(`${this.#process.name} makes the table of ${region.id} anew`);
  }

  #at(regionNumber: number) {
    return this.#parts.regions[regionNumber % this.#parts.regions.length]!;
  }

  #store(region: SimulatedRegion, process: Process): Store {
    const store = region.open(process, reads);
    return this.#parts.plant.store?.(store, region) ?? store;
  }

  #builds(region: SimulatedRegion, process: Process): PublisherPort {
    const { hub, faults, plant } = this.#parts;
    const store = this.#store(region, process);
    const at = <Result>(place: string, work: () => Result) => faults.call(process, place, work);
    const port: PublisherPort = {
      build: (refs) => at('build', () => hub.build(region.id, refs)),
      checkNotAhead: () => checkNotAhead(region.id, store, () => at('highWater', () => hub.highWater())),
      checkRun: async () => {}, // the simulated hub's database has one run
    };
    return plant.builds?.(port) ?? port;
  }

  #publisher(region: SimulatedRegion, process: Process): Publisher {
    const { clock, hazards, onEvent } = this.#parts;
    const builtOnce = new Set<string>();
    const port = this.#builds(region, process);
    return new Publisher({
      store: this.#store(region, process),
      hub: {
        ...port,
        build: (refs: readonly ContextRef[]) => {
          if (refs.some((ref) => builtOnce.has(refText(ref)))) hazards.met('snapshot: too old to put');
          for (const ref of refs) builtOnce.add(refText(ref));
          return port.build(refs);
        },
      },
      guard: openGuard,
      clock,
      putConcurrency: 2,
      snapshotAgeMaxMs: timing.snapshotAgeMaxMs,
      onOutcome: (ref, outcome) => {
        builtOnce.delete(refText(ref));
        onEvent(`${process.name} puts ${refText(ref)} into ${region.id}: ${outcome}`);
      },
    });
  }

  /** Every second time the region has room. It is published as a worker does. */
  #handOver(id: string, jobs: readonly RefreshJob[]): ReturnType<RelayPorts['handOver']> {
    const { regions, hazards } = this.#parts;
    const { region } = regions.find((one) => one.region.id === id)!;
    const publisher = this.#publisher(region, this.#process);
    const lane = new Lane({
      publish: (job) => eachKnown(job, (refs) => publisher.publish({ refs })),
      isOpen: () => ++this.#handed % 2 === 1,
      clock: this.#parts.clock,
    });
    const handed = lane.take(jobs);
    void Promise.resolve(handed).then((outcome) => hazards.met(`handed over: ${outcome}`));
    return handed;
  }

  #relayPorts(process: Process): RelayPorts {
    const { hub, faults, regions, plant } = this.#parts;
    const at = <Result>(place: string, work: () => Result | Promise<Result>) =>
      faults.call(process, place, work);
    const ports: RelayPorts = {
      claim: (claim) => at('claim', () => hub.claim(claim)),
      holding: (clusterIds) => at('holding', () => new Map(clusterIds.map((id) => [id, hub.holding(id)]))),
      cascade: (placed, onProgress) =>
        at('cascade', () =>
          hub.cascade(placed, { chunk: 1, onProgress, between: () => at('cascade-chunk', () => {}) }),
        ),
      arrival: () => at('arrival', () => {}),
      depart: (placed) => at('depart', () => hub.depart(placed)),
      holders: (refs) => at('holders', () => hub.holders(refs)),
      handOver: (id, jobs) => this.#handOver(id, jobs),
      enqueue: (region: string, jobs: readonly RefreshJob[]) =>
        at('enqueue', () => regions.find((one) => one.region.id === region)!.queue.add(jobs)),
      complete: (claimant, ids) => at('complete', () => hub.complete(claimant, ids)),
      release: (claimant, ids) => at('release', () => hub.release(claimant, ids)),
      renew: (claim, ids) => at('renew', () => hub.renew(claim, ids)),
    };
    return plant.relay?.(ports) ?? ports;
  }

  #failed(what: string, error: unknown): void {
    if (error instanceof BlockedError) this.#parts.hazards.met('cascade: blocked');
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.onEvent(`${this.#process.name}: ${what} fails: ${reason}`);
    if (!isExpected(error)) this.#parts.onViolation(`unexpected: ${what} fails: ${reason}`);
  }
}

async function* onePage<Page>(page: Page): AsyncGenerator<Page> {
  yield page;
}

/** Errors that faults cause. Anything else is a bug, and ends the run. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const names = ['StoreError', 'BlockedError', 'RegionAheadError'];
  return (
    names.includes(error.name) ||
    error.message === 'the database does not answer' ||
    error.message.startsWith("the region's store has no identity")
  );
}
