import {
  createPostgresBackend,
  type Job,
  type JobsOptions,
  Queue,
  type QueueOptions,
  runMigrations,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';

/**
 * BullMQ behind one door: on Redis where there is one, else on its own tables in the hub's Postgres. Everything
 * beyond this file is the same on both.
 *
 * Nothing in a queue is ever the only copy of anything: jobs name contexts and carry no bodies, and a queue that is
 * lost whole is made good by the next sweep.
 */
export interface Queues extends AsyncDisposable {
  readonly backend: 'redis' | 'postgres';
  /**
   * Creates or upgrades what the backend keeps of its own (a schema `bullmq`; nothing on Redis).
   * @throws when the backend cannot be reached.
   */
  prepare(): Promise<void>;
  queue<Data>(name: string): JobQueue<Data>;
  worker<Data>(
    name: string,
    process: (job: Job<Data>) => Promise<unknown>,
    options: JobWorkerOptions,
  ): JobWorker;
}

/**
 * Up to so many jobs are added one by one. On Postgres, BullMQ's bulk insert of a single job takes 4 to 9 ms where a
 * plain one takes 1 ms; on Redis there is no difference to speak of.
 */
const addedSinglyMax = 4;

/** Adds jobs in that order. When it throws, some may have been added. */
export async function addJobs<Data>(
  queue: JobQueue<Data>,
  jobs: readonly { name: string; data: Data; opts: JobsOptions }[],
): Promise<void> {
  if (jobs.length > addedSinglyMax) {
    await queue.addBulk(jobs as never);
    return;
  }
  for (const { name, data, opts } of jobs) await queue.add(name as never, data as never, opts);
}

export type JobQueue<Data> = Pick<
  Queue<Data>,
  | 'name'
  | 'addBulk'
  | 'add'
  | 'upsertJobScheduler'
  | 'getJobScheduler'
  | 'removeJobScheduler'
  | 'setGlobalConcurrency'
  | 'getJobCounts'
  | 'getJobs'
  | 'obliterate'
  | 'close'
>;
export type JobWorker = Pick<Worker, 'run' | 'pause' | 'resume' | 'isPaused' | 'close'>;

export interface JobWorkerOptions {
  concurrency: number;
  /** Milliseconds after which a job whose worker says nothing is given to another. */
  lockMs: number;
}

export interface QueuesOptions {
  /** Use Redis there; without it, Postgres. */
  redisUrl: string | undefined;
  databaseUrl: string;
  /** Connections to Postgres at the most; each worker keeps one listening. */
  connectionsMax: number;
  onError(error: Error): void;
}

/** Of what ended: nothing is kept of what succeeded, the last hundred of what failed, for a person to look at. */
const keep = { removeOnComplete: true, removeOnFail: { count: 100 } } as const;

export function openQueues(options: QueuesOptions): Queues {
  return options.redisUrl ? redisQueues(options.redisUrl, options.onError) : postgresQueues(options);
}

function redisQueues(url: string, onError: (error: Error) => void): Queues {
  // A producer must hear of trouble soon, to give its outbox rows back; a worker waits for as long as it takes.
  const producing = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 5000 }).on('error', onError);
  const working = new Redis(url, { maxRetriesPerRequest: null, connectTimeout: 5000 }).on('error', onError);
  const make = bullMaker(onError, {
    queue: (name, rest) => new Queue(name, { ...rest, connection: producing }),
    worker: (name, process, rest) => new Worker(name, process, { ...rest, connection: working }),
  });
  return {
    backend: 'redis',
    // Until it was there once, everything would wait for it without a word.
    prepare: async () => void (await producing.ping()),
    ...make,
    async [Symbol.asyncDispose]() {
      producing.disconnect();
      working.disconnect();
    },
  };
}

function postgresQueues(options: QueuesOptions): Queues {
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: options.connectionsMax,
    keepAlive: true,
    connectionTimeoutMillis: 5000,
    maxLifetimeSeconds: 300,
    onConnect: refuseReadOnly,
    application_name: 'spokecast publisher jobs',
    // A job needs no disk write of its own: the log is written in order, so where the relay's removal of the outbox row
    // has come to the disk, so has the job that stands before it. A crash can lose both, or the removal alone.
    options: '-c search_path=bullmq -c idle_in_transaction_session_timeout=10000 -c synchronous_commit=off',
  });
  // Every queue and worker of every region listens to the pool they share: Node would warn of a leak at three regions.
  pool.setMaxListeners(0);
  pool.on('error', options.onError);
  const make = bullMaker(options.onError, {
    queue: (name, rest) =>
      new Queue(name, { ...rest, connection: pool }, createPostgresBackend) as unknown as Queue,
    worker: (name, process, rest) =>
      new Worker(name, process, { ...rest, connection: pool }, createPostgresBackend) as unknown as Worker,
  });
  return {
    backend: 'postgres',
    async prepare() {
      const client = await pool.connect();
      try {
        await runMigrations(client, 'bullmq');
      } finally {
        client.release();
      }
    },
    ...make,
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

/** A new connection to a standby, or to a primary that was fenced, is none: the address leads elsewhere soon. */
async function refuseReadOnly(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ read_only: string }>(
    "select current_setting('transaction_read_only') as read_only",
  );
  if (rows[0]!.read_only === 'on') throw new Error('Postgres takes no writes there');
}

type Process = (job: Job) => Promise<unknown>;

/** What the two backends share: options, and that an error event never goes unheard. */
function bullMaker(
  onError: (error: Error) => void,
  make: {
    queue(name: string, options: Omit<QueueOptions, 'connection'>): Queue;
    worker(name: string, process: Process, options: Omit<WorkerOptions, 'connection'>): Worker;
  },
): Pick<Queues, 'queue' | 'worker'> {
  return {
    queue: <Data>(name: string) =>
      make.queue(name, { defaultJobOptions: keep }).on('error', onError) as unknown as JobQueue<Data>,
    worker: <Data>(name: string, process: (job: Job<Data>) => Promise<unknown>, options: JobWorkerOptions) =>
      make
        .worker(name, process as Process, {
          autorun: false,
          concurrency: options.concurrency,
          lockDuration: options.lockMs,
          stalledInterval: options.lockMs / 2,
          maxStalledCount: 10,
        })
        .on('error', onError) as unknown as JobWorker,
  };
}
