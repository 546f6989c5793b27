import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import { migrate } from '../../../hub/db/migrate.ts';
import { answersOk } from '../../../infra/local/http.ts';
import { databaseUrl } from '../../../infra/local/postgres.ts';
import { postgresRole, spokecast } from '../../../infra/local/roles.ts';
import { type Role, Supervisor } from '../../../infra/local/supervisor.ts';
import { freePort } from '../../support/process.ts';

export type Backend = 'postgres' | 'redis';

/** A region's store of the rig: dynalite on LevelDB, a process of its own. */
export interface RigStore {
  region: string;
  endpoint: string;
  table: string;
  pid: number;
  /** Requests it was sent since it started, by operation. */
  counts(): Promise<Record<string, number>>;
  /** What it was asked since it was last asked this: see store-main.ts. */
  recent(): Promise<[atMs: number, operation: string, names: string][]>;
}

export interface RigProcess {
  url: string;
  pid: number;
}

const storeMain = fileURLToPath(new URL('./store-main.ts', import.meta.url));
const tellingPublisherMain = fileURLToPath(new URL('./publisher-main.ts', import.meta.url));
const environment = 'bench';
const inOrder = { readyWithinMs: 60_000, stopSignal: 'SIGTERM', stopWithinMs: 10_000 } as const;

/**
 * What a bench measures on: the wheel's own parts, each a process of its own and started as the wheel starts them,
 * with a hub's database that no hub serves, and as many regions as asked for.
 */
export class Rig implements AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly databaseUrl: string;
  readonly backend: Backend;
  readonly #redisUrl: string | undefined;
  readonly #directory: string;
  readonly #supervisor: Supervisor;

  private constructor(parts: {
    databaseUrl: string;
    redisUrl: string | undefined;
    directory: string;
    supervisor: Supervisor;
  }) {
    this.databaseUrl = parts.databaseUrl;
    this.backend = parts.redisUrl ? 'redis' : 'postgres';
    this.#redisUrl = parts.redisUrl;
    this.#directory = parts.directory;
    this.#supervisor = parts.supervisor;
    this.sql = postgres(parts.databaseUrl, { max: 8, onnotice: () => {} });
  }

  /** A migrated database on a Postgres with the wheel's settings (it syncs to disk), and Redis where asked for. */
  static async start(options: { backend?: Backend } = {}): Promise<Rig> {
    const directory = await mkdtemp(join(tmpdir(), 'spokecast-bench-'));
    const supervisor = new Supervisor({
      clock: systemClock,
      logDirectory: join(directory, 'logs'),
      restart: false,
      onEvent: (event) => {
        if (event.event === 'died' && event.how !== 'exited with code 0')
          console.error(`${event.role} died: ${event.how}\n${event.lines.join('\n')}`);
      },
    });
    supervisor.watchdog.tell({ order: 'remove-afterwards', path: directory });
    const server = { directory: join(directory, 'postgres'), port: await freePort() };
    await supervisor.start(await postgresRole(server));
    const admin = postgres(databaseUrl(server, 'postgres'), { max: 1, onnotice: () => {} });
    await admin`create database spokecast`;
    await admin.end();
    const url = databaseUrl(server, 'spokecast');
    await migrate(url);
    const redisUrl = options.backend === 'redis' ? await startRedis(supervisor, directory) : undefined;
    return new Rig({ databaseUrl: url, redisUrl, directory, supervisor });
  }

  /** Starts a store process. Its region is not in the hub's table yet: see `addRegion`. */
  async addStore(region: string): Promise<RigStore> {
    const port = await freePort();
    const countsPort = await freePort();
    await this.#supervisor.start({
      name: `store-${region}`,
      command: process.execPath,
      args: [storeMain, join(this.#directory, 'stores', region), String(port), String(countsPort)],
      env: this.#environment(),
      ready: async () => (await accepts(port)) && (await accepts(countsPort)),
      ...inOrder,
    });
    return {
      region,
      endpoint: `http://127.0.0.1:${port}`,
      table: `spokecast-${environment}-${region}`,
      pid: this.#supervisor.pidOf(`store-${region}`)!,
      counts: async () => (await fetch(`http://127.0.0.1:${countsPort}`)).json() as never,
      recent: async () => (await fetch(`http://127.0.0.1:${countsPort}/recent`)).json() as never,
    };
  }

  /** Puts the region into the hub's table, with its store at `endpoint` where that is another (a proxy). */
  async addRegion({
    region,
    endpoint,
    table,
  }: Pick<RigStore, 'region' | 'endpoint' | 'table'>): Promise<void> {
    await this
      .sql`insert into regions (id, store_endpoint, store_table) values (${region}, ${endpoint}, ${table})`;
  }

  /** A publisher, `spokecast publisher`, with these options beside those that say where everything is. */
  async startPublisher(options: Record<string, string> = {}): Promise<RigProcess> {
    return this.#start('publisher', spokecast('publisher'), { ...this.#publisherEnvironment(), ...options });
  }

  /** The same, with stores in its memory where a region asks for them: see publisher-main.ts. */
  async startTellingPublisher(options: Record<string, string> = {}): Promise<RigProcess> {
    const program = { command: process.execPath, args: [tellingPublisherMain] };
    return this.#start('publisher', program, { ...this.#publisherEnvironment(), ...options });
  }

  /** A gateway of that store's region, ready to answer. */
  async startGateway(store: RigStore, options: Record<string, string> = {}): Promise<RigProcess> {
    return this.#start('gateway', spokecast('gateway'), {
      SPOKECAST_REGION: store.region,
      SPOKECAST_STORE_ENDPOINT: store.endpoint,
      SPOKECAST_STORE_TABLE: store.table,
      ...options,
    });
  }

  /** A hub, `spokecast hub`, ready to answer. */
  async startHub(options: Record<string, string> = {}): Promise<RigProcess> {
    // One key makes all the requests of a bench.
    const unlimited = { SPOKECAST_KEY_REQUESTS_MAX: '0' };
    return this.#start('hub', spokecast('hub'), { DATABASE_URL: this.databaseUrl, ...unlimited, ...options });
  }

  /** A program of the bench's own that listens on `PEER_PORT`, with the rig's database. Returns its URL. */
  async startProgram(name: string, main: string, options: Record<string, string> = {}): Promise<string> {
    const port = await freePort();
    await this.#supervisor.start({
      name,
      command: process.execPath,
      args: [main],
      env: { ...this.#environment(), DATABASE_URL: this.databaseUrl, PEER_PORT: String(port), ...options },
      ready: () => accepts(port),
      ...inOrder,
    });
    return `http://127.0.0.1:${port}`;
  }

  /** Postgres; its children are the servers of connections. */
  get postgresPid(): number {
    return this.#supervisor.pidOf('postgres')!;
  }

  /** A handle of the bench's own on a store. */
  open({ endpoint, table }: Pick<RigStore, 'endpoint' | 'table'>): DynamoStore {
    return DynamoStore.connect({ table, endpoint, clock: systemClock, random: systemRandom });
  }

  /** The owner that a publisher of this rig writes into a table's identity. */
  async owner(region: string): Promise<{ environment: string; region: string; hubId: string }> {
    const [row] = await this.sql`select hub_id from hub_state`;
    return { environment, region, hubId: row!.hub_id };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
    await this.#supervisor[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 10 });
  }

  async #start(
    role: 'hub' | 'publisher' | 'gateway',
    program: { command: string; args: readonly string[] },
    options: Record<string, string>,
  ): Promise<RigProcess> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const name = `${role}-${port}`;
    const env = {
      ...this.#environment(),
      SPOKECAST_ENV: environment,
      SPOKECAST_HEARTBEAT_EVERY_MS: '0', // writes are counted here
      SPOKECAST_PORT: String(port),
      ...options,
    };
    await this.#supervisor.start({
      name,
      ...program,
      env,
      ready: () => answersOk(`${url}/readyz`),
      ...inOrder,
    });
    return { url, pid: this.#supervisor.pidOf(name)! };
  }

  #publisherEnvironment(): Record<string, string> {
    return { DATABASE_URL: this.databaseUrl, ...(this.#redisUrl ? { REDIS_URL: this.#redisUrl } : {}) };
  }

  #environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_EC2_METADATA_DISABLED: 'true',
      SPOKECAST_HOST: '127.0.0.1',
    };
  }
}

async function startRedis(supervisor: Supervisor, directory: string): Promise<string> {
  const port = await freePort();
  const role: Role = {
    name: 'redis',
    command: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    env: { PATH: process.env.PATH ?? '' },
    cwd: directory,
    ready: () => accepts(port),
    ...inOrder,
  };
  await supervisor.start(role);
  return `redis://127.0.0.1:${port}`;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
