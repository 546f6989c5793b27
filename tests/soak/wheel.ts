import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { HubClient } from '../../infra/local/hub-client.ts';
import { layoutOf, type RegionLayout, type WheelLayout } from '../../infra/local/layout.ts';
import { databaseUrl, ensureDatabase } from '../../infra/local/postgres.ts';
import type { Role } from '../../infra/local/role-process.ts';
import {
  databaseEnv,
  gatewayRole,
  hubRole,
  postgresRole,
  publisherRole,
  spokecast,
  storeRole,
} from '../../infra/local/roles.ts';
import { seedRegions } from '../../infra/local/seed.ts';
import { Watchdog } from '../../infra/local/watchdog.ts';
import { RoleInTrouble } from './role.ts';

export interface SoakWheelOptions {
  directory: string;
  portBase: number;
  regions: number;
  /** Where jobs are kept in Redis: its program. */
  redisServer: string | undefined;
  say(line: string): void;
}

/** Faults are short here, so what waits for the time of a fault is too. */
const publisherSettings = {
  SPOKECAST_SWEEP_EVERY_MS: '15000',
  SPOKECAST_LOSSES_MIN: '1000000', // it deletes by SQL all the while; the budget has tests of its own
  SPOKECAST_RELAY_LEASE_MS: '3000',
  SPOKECAST_JOB_LOCK_MS: '5000',
  SPOKECAST_FEED_RETENTION_MS: '60000',
  SPOKECAST_HEARTBEAT_EVERY_MS: '0', // at the end nothing is to change any more
};

/** A hub, two publishers, Postgres, perhaps Redis, and spokes of a store and two gateways each: all real processes. */
export class SoakWheel implements AsyncDisposable {
  readonly layout: WheelLayout;
  readonly roles = new Map<string, RoleInTrouble>();
  applicationKey = '';
  readonly #watchdog = new Watchdog();
  readonly #options: SoakWheelOptions;

  constructor(options: SoakWheelOptions) {
    const { directory, portBase } = options;
    this.#options = options;
    mkdirSync(join(directory, 'logs'), { recursive: true });
    const layout = layoutOf({
      directory,
      portBase,
      databasePassword: 'soak',
      environment: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR },
    });
    this.layout = {
      ...layout,
      regions: Array.from({ length: options.regions }, (_, n) => regionLayout(n, portBase)),
      redisUrl: options.redisServer ? `redis://127.0.0.1:${portBase + 51}` : undefined,
    };
  }

  /** Starts everything, in the order in which they need each other. */
  async start(prepare: (sql: postgres.Sql) => Promise<void>): Promise<void> {
    const { layout } = this;
    const { regions } = layout;
    const server = { ...layout.postgres, settings: { fsync: 'off' } }; // a killed process loses nothing by that
    const { redisServer } = this.#options;
    await Promise.all([
      this.#start('postgres', await postgresRole(server)),
      ...(redisServer ? [this.#start('redis', this.#redisRole(redisServer))] : []),
      ...regions.map((region) => this.#start('store', storeRole(layout, region), region.id)),
    ]);
    await ensureDatabase(layout.postgres, layout.database);
    await this.#spokecast('migrate');
    const sql = this.connect(1);
    await prepare(sql);
    await sql.end();
    await this.#start('hub', hubRole(layout));
    const flags = ['--role', 'owner', '--name', 'soak', '--json'];
    this.applicationKey = JSON.parse(await this.#spokecast('application-keys', 'create', ...flags)).secret;
    await seedRegions(layout, new HubClient(layout.hub.url, this.applicationKey));
    await Promise.all([1, 2].map((n) => this.#start('publisher', this.#publisherRole(n))));
    await Promise.all(
      regions.flatMap((region) =>
        [1, 2].map((n) => this.#start('gateway', this.#gatewayRole(region, n), region.id)),
      ),
    );
  }

  of(what: RoleInTrouble['what'], region?: string): RoleInTrouble[] {
    return [...this.roles.values()].filter(
      (role) => role.what === what && (region === undefined || role.region === region),
    );
  }

  gatewayUrl(region: string, n: number): string {
    const at = this.layout.regions.find(({ id }) => id === region)!;
    return `http://127.0.0.1:${at.gateway.port + 10 * (n - 1)}`;
  }

  /** Since when the gateway has been able to do its work: it, and its store, run. Infinity while one does not. */
  calmSinceMs(gateway: RoleInTrouble): number {
    const store = this.of('store', gateway.region)[0]!;
    return Math.max(gateway.wellSinceMs, store.wellSinceMs);
  }

  /** The hub's database, as any person with a client sees it. */
  connect(max: number): postgres.Sql {
    return postgres(databaseUrl(this.layout.postgres, this.layout.database), {
      max,
      onnotice: () => {},
      connect_timeout: 3,
      backoff: () => 0.2,
      connection: { application_name: 'soak', statement_timeout: 10_000, lock_timeout: 1_000 },
    });
  }

  /** Ends all, those started last first. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const role of this.roles.values()) role.thaw();
    for (const what of ['gateway', 'publisher', 'hub', 'store', 'redis', 'postgres'] as const)
      await Promise.all(this.of(what).map((role) => role.stop()));
    await this.#watchdog[Symbol.asyncDispose]();
  }

  async #start(what: RoleInTrouble['what'], role: Role, region?: string): Promise<void> {
    const { directory, say } = this.#options;
    const log = join(directory, 'logs', `${role.name}.log`);
    const started = new RoleInTrouble({ what, region, role, log, watchdog: this.#watchdog, say });
    this.roles.set(role.name, started);
    await started.start();
  }

  #publisherRole(n: number): Role {
    const { layout } = this;
    const port = layout.publisher.port + n;
    const role = publisherRole({ ...layout, publisher: { port, url: `http://127.0.0.1:${port}` } });
    return { ...role, name: `publisher-${n}`, env: { ...role.env, ...publisherSettings } };
  }

  #gatewayRole(region: RegionLayout, n: number): Role {
    const url = this.gatewayUrl(region.id, n);
    const role = gatewayRole(this.layout, { ...region, gateway: { url, port: Number(new URL(url).port) } });
    return { ...role, name: `gateway-${region.id}-${n}` };
  }

  /** It keeps what it has on disk, so that a death alone loses no job. */
  #redisRole(command: string): Role {
    const { directory } = this.#options;
    const port = new URL(this.layout.redisUrl!).port;
    const args = [
      '--port',
      port,
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--appendonly',
      'yes',
      '--save',
      '',
    ];
    return {
      name: 'redis',
      command,
      args,
      env: this.layout.inherited,
      ready: async () => (await redisCommand(this.layout.redisUrl!, 'ping')) === 'PONG',
      readyWithinMs: 20_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 10_000,
    };
  }

  async #spokecast(...args: readonly string[]): Promise<string> {
    const { command, args: line } = spokecast(...args);
    return (await promisify(execFile)(command, line, { env: databaseEnv(this.layout), timeout: 60_000 }))
      .stdout;
  }
}

export async function redisCommand(url: string, command: 'ping' | 'flushall'): Promise<string> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null, lazyConnect: true });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return String(await redis.call(command));
  } finally {
    redis.disconnect();
  }
}

function regionLayout(n: number, portBase: number): RegionLayout {
  const names = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];
  const id = names[n] ?? `region-${n + 1}`;
  const listener = (port: number) => ({ port, url: `http://127.0.0.1:${port}` });
  const store = {
    port: portBase + 201 + n,
    endpoint: listener(portBase + 201 + n).url,
    table: `spokecast-dev-${id}`,
  };
  return { id, gateway: listener(portBase + 101 + n), store, upstream: listener(portBase + 301 + n) };
}
