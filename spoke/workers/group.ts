import type { Clock } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import { backoffMs } from '../../contexts/base/loop.ts';
import type { LocalRateLimiter } from '../../contexts/base/rate-limit/limiter.ts';
import type { FeedHead } from '../../contexts/store.ts';
import type { WorkerEnd } from './group-metrics.ts';
import type { ListeningSocket } from './listening-socket.ts';
import type { FromWorker, MetricsAsJson, WorkerState } from './messages.ts';
import type { WorkerEvents, WorkerProcess } from './worker-process.ts';

export interface GroupOptions {
  count: number;
  /** Whether one worker, that of the first seat, keeps a snapshot for all. */
  keeps: boolean;
  socket: ListeningSocket;
  /** Starts a worker. One that is not to keep the snapshot is told in which slot it is, where there is one. */
  start(order: Order, events: WorkerEvents): WorkerProcess;
  /** Counts the requests of limited keys for all workers. */
  limiter: LocalRateLimiter;
  clock: Clock;
  log: Logger;
  /** A worker is gone, and what it last told of its metrics. */
  onEnd(how: WorkerEnd, metrics: MetricsAsJson | undefined): void;
  /** Somebody asks a worker for the metrics of all. */
  scrape(): Promise<string>;
  shutdownMs: number;
}

export interface Order {
  number: number;
  /** What it has to do with the snapshot: keep it, or boot from the one that is kept in that slot, if there is one. */
  snapshot: 'keep' | { slot: string | undefined };
}

/**
 * - *starting*: boots, and waits to be let in;
 * - *serving*: takes connections;
 * - *retiring*: takes no more, and answers those that are open.
 */
type Phase = 'starting' | 'serving' | 'retiring';

interface Worker {
  readonly number: number;
  readonly seat: Seat;
  readonly process: WorkerProcess;
  readonly startedAt: number;
  readonly gone: Promise<void>;
  readonly settled: PromiseWithResolvers<'serving' | 'ended'>;
  phase: Phase;
  /** Sent the socket, and not listening yet. */
  isLetIn: boolean;
  state: WorkerState | undefined;
  metrics: MetricsAsJson | undefined;
}

/** A place for one worker; another one is in it while one follows the other. */
interface Seat {
  readonly keeps: boolean;
  /** Ends in a row of workers that did not live for long. */
  failures: number;
}

/** A worker that lived for so long did not fail at its start. */
const livedLongMs = 10_000;
const restartFirstMs = 100;
const restartMaxMs = 10_000;
/** A worker that is to take another's place has so long to become ready; the other one goes on otherwise. */
const successionMs = 60_000;
/** Idle connections of the worker that keeps the snapshot have so long: the next one waits for its files. */
const keeperLingerMs = 500;
/** After the time that requests have to end. Then a worker hangs. */
const killAfterMs = 5_000;
const tellMetricsMs = 2_000;

/** The configuration is wrong, as the worker has said: another one would end the same way. */
const configurationExitCode = 78;

/**
 * Several processes as one gateway. Each worker is a whole gateway with a cache and a feed tail of its own; here is
 * what they must not do each for itself: the port, how far the feed is in force, the snapshot, the metrics, the counts
 * of keys that have a limit.
 *
 * A worker is let in, which is when it gets the socket, once it is as far in the feed as those that serve: what the
 * group has told of itself stays true. Where nobody serves, the first that has booted is let in.
 *
 * A worker that ends by itself is replaced. On `reload` each is followed by a new one, which has to be ready first. The
 * one that keeps the snapshot comes last, and its place is empty for a moment, because two cannot write the same
 * files; the others serve.
 */
export class WorkerGroup {
  readonly #options: GroupOptions;
  readonly #workers = new Set<Worker>();
  readonly #seats: readonly Seat[];
  readonly #ended = Promise.withResolvers<number>();
  readonly #asked = new Map<number, Map<Worker, () => void>>();
  #numbers = 0;
  #questions = 0;
  #stopping = false;
  #servedBefore = false;
  #wasReady = false;
  #othersStarted = false;
  #reloading: Promise<void> = Promise.resolve();
  #reloadsWaiting = 0;
  #slot: string | undefined;
  /** How far the one that keeps the snapshot is, or was while it has no successor: what is kept is no further. */
  #kept: { position: FeedHead | undefined } | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
    const { count, keeps } = options;
    this.#seats = Array.from({ length: count }, (_, at) => ({ keeps: keeps && at === 0, failures: 0 }));
  }

  start(): this {
    if (this.#options.keeps) this.#start(this.#seats[0]!);
    else this.#startOthers();
    return this;
  }

  /** Resolves with an exit code where the workers cannot be started as they are configured. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  get serving(): number {
    return [...this.#workers].filter(({ phase }) => phase === 'serving').length;
  }

  get isWhole(): boolean {
    return (
      this.serving >= this.#options.count &&
      [...this.#workers].every(({ phase, state }) => phase !== 'serving' || state?.readiness === 'ready')
    );
  }

  get cachedContexts(): number {
    return Math.max(0, ...[...this.#workers].map(({ state }) => state?.cachedContexts ?? 0));
  }

  /** Up to where the feed is in force in every worker that answers; undefined while one cannot tell. */
  get position(): FeedHead | undefined {
    const answering = [...this.#workers].filter((worker) => answers(worker));
    const positions = answering.map(({ state }) => state?.position);
    if (this.#kept !== undefined) positions.push(this.#kept.position);
    return answering.length === 0 ? undefined : least(positions);
  }

  /** What each worker tells of its metrics now; what it told last, where it does not answer. */
  async metrics(): Promise<MetricsAsJson[]> {
    const { clock } = this.#options;
    const question = ++this.#questions;
    const waiting = new Map<Worker, () => void>();
    this.#asked.set(question, waiting);
    const asked = [...this.#workers].filter((worker) => answers(worker));
    const all = asked.map((worker) => {
      const answered = new Promise<void>((resolve) => waiting.set(worker, resolve));
      worker.process.send({ is: 'tell-metrics', asked: question });
      return Promise.race([answered, worker.gone]);
    });
    const patience = new AbortController();
    await Promise.race([Promise.all(all), clock.sleep(tellMetricsMs, patience.signal)]);
    patience.abort();
    this.#asked.delete(question);
    return asked.flatMap((worker) =>
      worker.metrics !== undefined && this.#workers.has(worker) ? [worker.metrics] : [],
    );
  }

  /** Every worker is followed by a new one, one after the other. Resolves when all are. */
  reload(): Promise<void> {
    if (this.#reloadsWaiting > 0) return this.#reloading; // it has not begun, and will do
    this.#reloadsWaiting += 1;
    this.#reloading = this.#reloading.then(() => {
      this.#reloadsWaiting -= 1;
      return this.#reload();
    });
    return this.#reloading;
  }

  /** Lets requests under way end, within their time, and resolves when all workers are gone. */
  async stop(): Promise<void> {
    const { clock, shutdownMs, log } = this.#options;
    this.#stopping = true;
    const all = [...this.#workers];
    for (const worker of all) this.#retire(worker, 0);
    const patience = new AbortController();
    const gone = Promise.all(all.map((worker) => worker.gone));
    await Promise.race([gone, clock.sleep(shutdownMs + killAfterMs, patience.signal)]);
    patience.abort();
    for (const { number, process } of this.#workers) {
      log.error({ worker: number }, 'the worker does not end; it is killed');
      process.kill();
    }
    await gone;
  }

  // ------------------------------------------------------------------------------------------------- one worker

  #start(seat: Seat): Worker {
    const { start, clock } = this.#options;
    const number = this.#numbers++;
    const left = Promise.withResolvers<void>();
    const process = start(
      { number, snapshot: seat.keeps ? 'keep' : { slot: this.#slot } },
      {
        onMessage: (message) => this.#heard(worker, message),
        onExit: (how) => {
          this.#left(worker, how);
          left.resolve();
        },
      },
    );
    const worker: Worker = {
      ...{ number, seat, process, startedAt: clock.monotonic(), gone: left.promise },
      ...{ settled: Promise.withResolvers(), phase: 'starting', isLetIn: false },
      ...{ state: undefined, metrics: undefined },
    };
    this.#workers.add(worker);
    return worker;
  }

  #heard(worker: Worker, message: FromWorker): void {
    switch (message.is) {
      case 'state':
        worker.state = message.state;
        if (message.state.readiness !== 'not-ready') this.#wasReady = true;
        if (worker.seat.keeps) this.#keeperTold(worker, message.state);
        this.#letAllIn();
        break;
      case 'listening':
        this.#serves(worker, message.url);
        break;
      case 'holds':
        for (const other of this.#workers)
          if (other.seat.keeps && other !== worker && other.phase !== 'retiring')
            other.process.send({ is: 'hold', refs: message.refs });
        break;
      case 'metrics':
        worker.metrics = message.metrics;
        this.#asked.get(message.asked)?.get(worker)?.();
        break;
      case 'rates': {
        const { asked, questions } = message;
        const { limiter } = this.#options;
        const states = questions.map(({ verb, keyId, rate }) => limiter[verb](keyId, rate));
        worker.process.send({ is: 'rated', asked, states });
        break;
      }
      case 'scrape': {
        const { asked } = message;
        const { log, scrape } = this.#options;
        scrape().then(
          (text) => worker.process.send({ is: 'scraped', asked, text }),
          (error) => log.error({ err: error }, 'joining the metrics failed by a mistake of ours'),
        );
        break;
      }
    }
  }

  #keeperTold(keeper: Worker, { slot, position }: WorkerState): void {
    this.#slot = slot ?? this.#slot;
    if (answers(keeper)) this.#kept = { position };
    this.#startOthers(); // which boot from what that one keeps
  }

  #startOthers(): void {
    if (this.#othersStarted || this.#stopping) return;
    this.#othersStarted = true;
    for (const seat of this.#seats) if (!seat.keeps) this.#start(seat);
  }

  #letAllIn(): void {
    for (const worker of this.#workers) this.#letIn(worker);
  }

  #letIn(worker: Worker): void {
    const { phase, isLetIn, state } = worker;
    if (phase !== 'starting' || isLetIn || state === undefined || this.#stopping) return;
    if (
      [...this.#workers].some((other) => other !== worker && (other.isLetIn || other.phase === 'serving'))
    ) {
      const told = this.position;
      const { position } = state;
      const isBehind =
        told !== undefined &&
        position !== undefined &&
        told.incarnation === position.incarnation &&
        position.number < told.number;
      if (state.readiness === 'not-ready' || isBehind) return;
    }
    worker.isLetIn = true;
    if (worker.seat.keeps) this.#kept = { position: state.position };
    worker.process.send({ is: 'listen' }, this.#options.socket.handle);
  }

  #serves(worker: Worker, url: string): void {
    if (worker.phase !== 'starting') return; // told to retire meanwhile
    worker.phase = 'serving';
    const { log } = this.#options;
    if (!this.#servedBefore) log.info({ url }, 'listening');
    log.info({ worker: worker.number, pid: worker.process.pid, serving: this.serving }, 'a worker serves');
    this.#servedBefore = true;
    worker.settled.resolve('serving');
  }

  #retire(worker: Worker, lingerMs: number): void {
    worker.phase = 'retiring';
    worker.process.send({ is: 'retire', lingerMs });
  }

  #left(worker: Worker, how: { code: number | null; signal: string | null }): void {
    const { log, clock, onEnd } = this.#options;
    const { seat, number } = worker;
    this.#workers.delete(worker);
    const end: WorkerEnd = worker.phase === 'retiring' ? 'retired' : 'crashed';
    onEnd(end, worker.metrics);
    worker.settled.resolve('ended');
    if (end === 'retired' || this.#stopping) {
      log.info({ worker: number, ...how }, 'the worker has ended');
      return;
    }
    if (how.code === configurationExitCode && !this.#wasReady) {
      this.#ended.resolve(how.code);
      return;
    }
    this.#startOthers(); // should it be the snapshot that ends the one that keeps it
    this.#letAllIn();
    const isFollower = [...this.#workers].some((other) => other.seat === seat && other.phase !== 'retiring');
    log.error({ worker: number, pid: worker.process.pid, ...how }, 'a worker ended by itself');
    if (isFollower) return; // of one that serves on
    seat.failures = clock.monotonic() - worker.startedAt > livedLongMs ? 0 : seat.failures + 1;
    const waitMs =
      worker.state?.answers && seat.failures <= 1
        ? 0
        : backoffMs(seat.failures, restartFirstMs, restartMaxMs);
    void clock.sleep(waitMs).then(() => {
      if (!this.#stopping) this.#start(seat);
    });
  }

  // --------------------------------------------------------------------------------------------------- reloading

  async #reload(): Promise<void> {
    const { log } = this.#options;
    log.info({ workers: this.#seats.length }, 'replacing the workers one after the other');
    for (const seat of this.#seats.toReversed()) {
      if (this.#stopping) return;
      const outcome = seat.keeps ? await this.#followKeeper(seat) : await this.#follow(seat);
      if (outcome === 'serving') continue;
      log.error('a new worker does not become ready; the workers there are go on');
      return;
    }
    log.info('all workers are replaced');
  }

  async #follow(seat: Seat): Promise<'serving' | 'ended'> {
    const { clock, shutdownMs } = this.#options;
    const before = [...this.#workers].filter((worker) => worker.seat === seat && worker.phase === 'serving');
    const next = this.#start(seat);
    const patience = new AbortController();
    const late = clock.sleep(successionMs, patience.signal).then(() => 'late' as const);
    const outcome = await Promise.race([next.settled.promise, late]);
    patience.abort();
    if (outcome === 'serving') for (const worker of before) this.#retire(worker, shutdownMs);
    else if (outcome === 'late') this.#retire(next, 0);
    return outcome === 'serving' ? 'serving' : 'ended';
  }

  async #followKeeper(seat: Seat): Promise<'serving' | 'ended'> {
    const before = [...this.#workers].filter((worker) => worker.seat === seat);
    for (const worker of before) this.#retire(worker, keeperLingerMs);
    await Promise.all(before.map((worker) => worker.gone));
    if (this.#stopping) return 'ended';
    return this.#start(seat).settled.promise; // one that fails is started again: its place is to be taken
  }
}

/** Whether it may be answering somebody. */
function answers({ phase, isLetIn, state }: Worker): boolean {
  return (phase !== 'starting' || isLetIn) && state?.answers === true;
}

/** The least of them; undefined where one is, or where they are of different feeds. */
function least(positions: readonly (FeedHead | undefined)[]): FeedHead | undefined {
  let lowest = positions[0];
  for (const position of positions) {
    if (position === undefined || position.incarnation !== lowest?.incarnation) return undefined;
    if (position.number < lowest.number) lowest = position;
  }
  return lowest;
}
