import type { Job } from 'bullmq';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { type ContextRef, refText } from '../contexts/kinds/index.ts';
import { limits } from '../contexts/limits.ts';
import { checkOwner, type Store, StoreError } from '../contexts/store.ts';
import type { Build } from '../hub/db/builders/index.ts';
import type { Receipt } from '../hub/db/receipts.ts';
import { RegionAheadError } from './ahead.ts';
import { type Backlog, backlogOf, unfinishedIn } from './backlog.ts';
import { Breaker } from './breaker.ts';
import { Collector } from './collector.ts';
import { guardedStore } from './guarded-store.ts';
import { Lane } from './hand-over.ts';
import { storedHeartbeatMs } from './heartbeats.ts';
import { eachKnown, queueNames, type RefreshJob, refreshJobOptions, type SweepJob } from './jobs.ts';
import { type KeyUseCollector, keyUsesOf } from './key-uses.ts';
import { LongestLag } from './longest-lag.ts';
import { Publisher, type PublisherPort } from './publish.ts';
import { addJobs, type JobQueue, type JobWorker } from './queues.ts';
import { publishForReceipt } from './receipts.ts';
import type { RegionOptions } from './region-options.ts';
import type { RegionState } from './region-state.ts';
import { compare } from './sweep/drift.ts';

/**
 * One region as this publisher sees it: its queues, its workers, its breaker. Nothing here is shared with another
 * region, so nothing here can hold one up (law 4).
 *
 * States:
 * - *opening*: the store has not been reached yet, or its identity not yet made. -> *open*, *refused*, *ahead*
 * - *open*: jobs are taken. -> *behind* when the breaker opens; *ahead* when a publish finds out
 * - *behind*: the store does not answer; no jobs are made for the region or taken. -> *opening* when it answers again
 * - *refused*: the table is another environment's or hub's. Nothing is ever written. -> *opening*, asked again now and then
 * - *ahead*: the region remembers more than the hub has drawn. Nothing is written. -> *opening*, asked again now and then
 *
 * Coming back to *open* after any other state sets off a sweep, which begins with what changed meanwhile.
 */
export class Region implements AsyncDisposable {
  readonly id: string;
  #state: RegionState = 'opening';
  readonly #options: RegionOptions;
  readonly #breaker: Breaker;
  readonly #store: Store;
  readonly #hub: PublisherPort;
  readonly #publisher: Publisher;
  readonly #refreshQueue: JobQueue<RefreshJob>;
  readonly #sweepQueue: JobQueue<SweepJob>;
  readonly #refreshWorker: JobWorker;
  readonly #sweepWorker: JobWorker;
  readonly #stop = new AbortController();
  /** Opens the region, and again whenever it is not open. */
  readonly #prober: Loop;
  /** Since the region first opened: workers are paused and resumed from then on. */
  #workersRunning = false;
  /** It was not open, and the sweep that is to find what changed meanwhile is not in its queue yet. */
  #owesSweep = true;
  #openSince = Number.POSITIVE_INFINITY;
  /** Why it is not open. */
  #trouble: string | undefined;
  /** Of the refresh jobs that are done. */
  readonly lag = new LongestLag();
  /** For what is handed over to it, past the queue. */
  readonly lane: Lane;
  /** These bring what the region's gateways report to the hub: how they are, and which keys they let in. */
  readonly collector: Collector;
  readonly keyUses: KeyUseCollector;
  readonly #knownSince: number;

  constructor(options: RegionOptions) {
    const { owner, queues, clock, log, metrics } = options;
    this.id = owner.region;
    this.#options = options;
    this.#knownSince = clock.monotonic();
    const isOpen = () => this.#state === 'open';
    this.lane = new Lane({ publish: (job) => this.#refresh(job), isOpen, clock });
    this.#breaker = new Breaker({
      failuresMax: options.breakerFailuresMax,
      onOpen: (cause) => this.#enter('behind', cause),
    });
    this.#store = guardedStore(options.store, this.#breaker);
    this.#hub = options.hub(this.#store);
    this.#publisher = new Publisher({
      store: this.#store,
      hub: this.#hub,
      guard: options.guard,
      clock,
      putConcurrency: options.putConcurrency,
      snapshotAgeMaxMs: options.snapshotAgeMaxMs,
      onOutcome: (ref, outcome, reason) => {
        metrics.contexts.inc({ region: this.id, kind: ref.kind, outcome });
        if (outcome === 'quarantined')
          log.warn(
            { region: this.id, context: refText(ref), reason },
            'not published: its content is invalid; the last good state stays',
          );
      },
    });
    this.#refreshQueue = queues.queue(queueNames.refresh(owner.environment, this.id));
    this.#sweepQueue = queues.queue(queueNames.sweep(owner.environment, this.id));
    const lockMs = options.jobLockMs;
    const refresh = (job: Job<RefreshJob>) => this.#refresh(job.data);
    const sweep = (job: Job<SweepJob>) => this.#sweep(job.data);
    const atOnce = options.refreshConcurrency;
    this.#refreshWorker = queues.worker(this.#refreshQueue.name, refresh, { concurrency: atOnce, lockMs });
    this.#sweepWorker = queues.worker(this.#sweepQueue.name, sweep, { concurrency: 1, lockMs });
    this.collector = new Collector({
      ...{ region: this.id, store: this.#store, clock, random: options.random },
      everyMs: options.collector.everyMs,
      awaitedEveryMs: options.collector.awaitedEveryMs,
      look: () => ({ state: this.#state, reason: this.#trouble ?? null }),
      ports: options.collector,
      onError: (error) => log.warn({ err: error, region: this.id }, 'the gateways could not be listed'),
    });
    this.keyUses = keyUsesOf(options, this.#store, isOpen);
    this.#prober = new Loop({
      name: `probe ${this.id}`,
      clock,
      everyMs: () => (this.#state === 'open' ? 5000 : 1000),
      retryMs: (failures) => backoffMs(failures, 250, 5000),
      turn: () => this.#probe(),
      onError: (error) => this.#refuse(error),
    });
  }

  get state(): RegionState {
    return this.#state;
  }

  /** Why it is not open, in words for people; undefined while it is, or where it was not tried yet. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether jobs are to be made for it: what changes while it is not open is found by the sweep when it is again. */
  get accepts(): boolean {
    return this.#state === 'open' || this.#state === 'opening';
  }

  /** Milliseconds for which it has been open; negative where it is not. */
  get openForMs(): number {
    return this.#state === 'open' ? this.#options.clock.monotonic() - this.#openSince : -1;
  }
  /** Milliseconds since this publisher began to look after it, in whatever state. */
  get knownForMs(): number {
    return this.#options.clock.monotonic() - this.#knownSince;
  }

  /** Milliseconds since its store was last asked whether it is well, and was. */
  get probeAgeMs(): number {
    return this.#prober.ageMs();
  }

  start(): void {
    this.#options.metrics.regionState(this.id, this.#state);
    this.#prober.start();
    this.collector.start();
    this.keyUses.start();
  }

  /** Looks at the store and at the hub's run at once, unless a look has just failed. */
  probe(): void {
    this.#prober.wake();
  }

  async enqueueRefresh(jobs: readonly RefreshJob[]): Promise<void> {
    this.lane.queued();
    await addJobs(
      this.#refreshQueue,
      jobs.map((data) => ({ name: 'refresh', data, opts: refreshJobOptions(data.tightens) })),
    );
  }

  /** Whether the store has all of these that are to be there, as the hub derives them now. */
  async holds(refs: readonly ContextRef[]): Promise<'held' | 'lacking' | 'unknown'> {
    if (this.#state !== 'open') return 'unknown';
    try {
      const [builds, { items }] = await Promise.all([this.#hub.build(refs), this.#store.read(refs)]);
      const lacks = (build: Build) =>
        build.state === 'live' && !compare(build, items.get(refText(build.ref))).same;
      return builds.some(lacks) ? 'lacking' : 'held';
    } catch {
      return 'unknown';
    }
  }

  async enqueueSweep(data: SweepJob): Promise<void> {
    // The next in line is a whole interval away, and until a first one succeeds the region's table is not whole.
    const attempts = data.cause === 'recovery' ? 5 : 1;
    // One that waits does for all who ask, but one at work may be past what a later one is asked for. Nothing is kept
    // of a failed one with a row of its own: it would swallow the next of that name.
    const row = data.seedingId ?? data.sweepId;
    const once = row
      ? { jobId: row, removeOnFail: true }
      : { deduplication: { id: data.cause, keepLastIfActive: true } };
    await this.#sweepQueue.add('sweep', data, {
      attempts,
      lifo: data.cause === 'recovery', // before a scheduled one that waits: that begins with no revocation
      backoff: { type: 'exponential', delay: 1000 },
      ...once,
    });
  }

  /** (Re)creates the repeating sweep. Safe to call again; several publishers share one. */
  async schedule(): Promise<void> {
    await this.#sweepQueue.setGlobalConcurrency(1);
    await this.#sweepQueue.upsertJobScheduler(
      'sweep',
      { every: this.#options.sweepEveryMs },
      { name: 'sweep', data: { cause: 'scheduled' } },
    );
  }

  /** Refresh jobs waiting, delayed or at work. */
  jobsUnfinished(): Promise<number> {
    return unfinishedIn(this.#refreshQueue);
  }

  /** The refresh work that is not done, by number and by its oldest. */
  backlog(): Promise<Backlog> {
    return backlogOf(this.#refreshQueue);
  }

  /**
   * When the repeating sweep last came due and was taken, milliseconds since the Unix epoch; undefined where there is
   * no schedule.
   */
  async lastScheduledAtMs(): Promise<number | undefined> {
    const schedule = await this.#sweepQueue.getJobScheduler('sweep');
    const next = Number(schedule?.next ?? Number.NaN);
    const everyMs = schedule?.every ?? this.#options.sweepEveryMs; // another publisher may have been told another
    return Number.isFinite(next) ? next - everyMs : undefined;
  }

  /** When the heartbeat that its store holds was made at the hub; undefined where it holds none. */
  storedHeartbeatMs(): Promise<number | undefined> {
    return storedHeartbeatMs(this.#store, this.id);
  }

  /** The region is disabled: its repeating sweep must not outlive it. */
  async unschedule(): Promise<void> {
    await this.#sweepQueue.removeJobScheduler('sweep');
  }

  /** The region is no more: nothing of its queues must wait for another of that name. */
  async clearQueues(): Promise<void> {
    await this.unschedule();
    for (const queue of [this.#refreshQueue, this.#sweepQueue]) await queue.obliterate({ force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#prober.stop();
    await this.collector[Symbol.asyncDispose]();
    await this.keyUses[Symbol.asyncDispose]();
    const closing = [this.#refreshWorker, this.#sweepWorker, this.#refreshQueue, this.#sweepQueue].map(
      (part) => part.close(),
    );
    await Promise.allSettled(closing);
    await this.#options.store[Symbol.asyncDispose]();
  }

  async #refreshForReceipt(job: RefreshJob, id: string): Promise<void> {
    const parts = { publisher: this.#publisher, store: this.#store, clock: this.#options.clock };
    let receipt: Receipt | undefined;
    await eachKnown(job, async (refs) => {
      receipt = await publishForReceipt(refs, id, parts);
    });
    if (receipt) await this.#options.writeReceipt(receipt);
  }

  async #refresh(job: RefreshJob): Promise<void> {
    const { clock, metrics } = this.#options;
    try {
      if (job.receipt === undefined) await eachKnown(job, (refs) => this.#publisher.publish({ refs }));
      else await this.#refreshForReceipt(job, job.receipt);
      const lagMs = Math.max(0, clock.now() - job.changedAtMs);
      metrics.refreshSeconds.observe({ region: this.id }, lagMs / 1000);
      this.lag.saw(lagMs);
    } catch (error) {
      if (error instanceof RegionAheadError) this.#enter('ahead', error);
      throw error;
    }
  }

  async #sweep(job: SweepJob): Promise<void> {
    try {
      if (job.seedingId)
        await this.#probe(); // which makes the table where it was lost
      else if (job.sweepId === undefined && (await this.#isBeingSeeded())) return;
      await this.#options.sweep(job, {
        store: this.#store,
        publisher: this.#publisher,
        hub: this.#hub,
        signal: this.#stop.signal,
      });
    } catch (error) {
      if (error instanceof RegionAheadError) this.#enter('ahead', error);
      throw error;
    }
  }

  /** A schedule begins with a sweep at once: a table that is not whole is left to its seeding, which ends with one. */
  async #isBeingSeeded(): Promise<boolean> {
    const found = await this.#store.readIdentity();
    return found.outcome === 'identity' && !found.identity.whole;
  }

  /** Past the breaker on purpose: this is how it learns that the store is back. */
  async #probe(): Promise<void> {
    const { store, owner, random } = this.#options;
    const found = await store.readIdentity();
    let fresh: string | undefined;
    if (found.outcome === 'identity') checkOwner(found.identity, owner);
    else {
      const newIncarnation = Buffer.from(random.bytes(12)).toString('hex');
      const made = await store.initialise(owner, { shards: limits.shardsDefault, newIncarnation });
      if (made.incarnation === newIncarnation) fresh = newIncarnation;
      this.#options.log.info({ region: this.id }, 'the region has a new, empty table; it is to be seeded');
    }
    const isWhole = found.outcome === 'identity' && found.identity.whole;
    // Made before by one who could not say so: nothing was ever published to it.
    if (found.outcome === 'identity' && !isWhole && found.identity.highWater === null)
      fresh = found.identity.incarnation;
    const hub = this.#options.hub(store);
    await hub.checkRun(); // while it is open too: a hub may be restored under a publisher that has nothing to publish
    const isOpen = this.#state === 'open' && found.outcome === 'identity' && !this.#owesSweep;
    if (!isOpen) {
      this.#owesSweep = isWhole; // one that is not whole is seeded, which ends with a sweep
      await hub.checkNotAhead();
      this.#breaker.close();
      await this.#resume();
      this.#enter('open');
      if (this.#owesSweep) await this.enqueueSweep({ cause: 'recovery' });
      this.#owesSweep = false;
    }
    if (!isWhole) await this.#options.requestSeeding(fresh); // when it is open: a seeding is only then begun
  }

  async #resume(): Promise<void> {
    if (this.#workersRunning) {
      this.#refreshWorker.resume();
      this.#sweepWorker.resume();
      return;
    }
    this.#workersRunning = true;
    await this.schedule();
    for (const worker of [this.#refreshWorker, this.#sweepWorker]) {
      worker
        .run()
        .catch((error: unknown) =>
          this.#options.log.error({ err: error, region: this.id }, 'a worker ended'),
        );
    }
  }

  #refuse(error: unknown): void {
    if (error instanceof StoreError && error.code === 'STORE_FOREIGN') this.#enter('refused', error);
    else if (error instanceof RegionAheadError) this.#enter('ahead', error);
    else if (this.#state === 'opening' && this.#prober.failures >= this.#options.breakerFailuresMax) {
      this.#enter('behind', error instanceof Error ? error : undefined);
    }
    // An open region is closed by the breaker, which counts the calls that matter, not by a probe that failed.
  }

  #enter(state: RegionState, cause?: Error): void {
    if (state === this.#state) return;
    const { log, metrics } = this.#options;
    const fields = {
      region: this.id,
      from: this.#state,
      to: state,
      ...(cause ? { reason: cause.message } : {}),
    };
    if (state === 'open') log.info(fields, 'the region is open');
    else log.error(fields, 'the region is not published to');
    this.#state = state;
    this.#trouble = state === 'open' ? undefined : (cause?.message ?? this.#trouble);
    this.collector.wake();
    if (state === 'open') this.#openSince = this.#options.clock.monotonic();
    metrics.regionState(this.id, state);
    if (state === 'open') return;
    if (this.#workersRunning) {
      this.#pause(this.#refreshWorker);
      this.#pause(this.#sweepWorker);
    }
    this.#prober.wake();
  }

  /** Without waiting for jobs in hand: they meet the open breaker and end. */
  #pause(worker: JobWorker): void {
    worker
      .pause(true)
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error, region: this.id }, 'a worker did not pause'),
      );
  }
}
