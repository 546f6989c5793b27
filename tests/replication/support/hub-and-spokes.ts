import type { Queue } from 'bullmq';
import postgres from 'postgres';
import { systemClock } from '../../../contexts/base/clock.ts';
import { createLogger } from '../../../contexts/base/log.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import type { SweepCounts } from '../../../hub/db/schema.ts';
import { readConfig as readPublisherConfig } from '../../../publisher/config.ts';
import { queueNames } from '../../../publisher/jobs.ts';
import { openQueues } from '../../../publisher/queues.ts';
import { type PublisherParts, wirePublisher } from '../../../publisher/wire.ts';
import { readConfig as readGatewayConfig } from '../../../spoke/config.ts';
import { Gateway } from '../../../spoke/wire.ts';
import { createDatabase } from '../../support/database.ts';
import { type Dynalite, startDynalite } from '../../support/dynalite.ts';
import { HttpProxy } from '../../support/http-proxy.ts';
import { RawDynamo } from '../../support/raw-dynamo.ts';

type PublisherService = ReturnType<typeof wirePublisher>;

export interface Spoke {
  id: string;
  /** Between the publishers and the store: counts what they do to it, and holds or drops it. */
  proxy: HttpProxy;
  /** Between the gateways and the store. */
  gatewayProxy: HttpProxy;
  dynalite: Dynalite;
  table: string;
  /** The table behind everybody's back. */
  raw: RawDynamo;
  /** A handle of the test's own, past the proxy. */
  store: DynamoStore;
  gateways: { gateway: Gateway; url: string }[];
}

export interface StartOptions {
  redisUrl?: string;
  regions?: readonly string[];
  publisher?: Record<string, string>;
  gateway?: Record<string, string>;
  /** A migrated database of the test's own; without it, one of the run's Postgres is made. */
  databaseUrl?: string;
  /** Publishers at the start, in this process; default 1. With 0, nobody makes the regions whole yet. */
  publishers?: number;
}

/** However loaded the machine is. */
const startsWithinMs = 90_000;

/**
 * A hub's database, publishers, and regions with a store and a gateway each, all in this process but Postgres and
 * Redis. The stores are dynalite behind a proxy that only the publishers go through.
 */
export class HubAndSpokes implements AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly spokes = new Map<string, Spoke>();
  readonly publishers: PublisherService[] = [];
  readonly #options: StartOptions;
  /** Of the hub's database, for a publisher that is to reach it another way. */
  readonly databaseUrl: string;
  readonly #disposables: AsyncDisposable[] = [];

  private constructor(options: StartOptions, databaseUrl: string) {
    this.#options = options;
    this.databaseUrl = databaseUrl;
    this.sql = postgres(databaseUrl, { max: 20, onnotice: () => {} });
  }

  static async start(options: StartOptions = {}): Promise<HubAndSpokes> {
    const database = options.databaseUrl === undefined ? await createDatabase() : undefined;
    const wheel = new HubAndSpokes(options, options.databaseUrl ?? database!.url);
    if (database) wheel.#disposables.push(database);
    wheel.#disposables.push({ [Symbol.asyncDispose]: () => wheel.sql.end({ timeout: 1 }) });
    for (const id of options.regions ?? ['eu-west-1', 'us-east-1']) await wheel.#addRegion(id);
    // Of every kind there is always one more: the last of a kind is held when it is deleted by SQL (law 9).
    await wheel.newKey((await wheel.newCluster([])).clusterId);
    for (let i = 0; i < (options.publishers ?? 1); i++) await wheel.addPublisher();
    if (wheel.publishers.length > 0) await wheel.ready();
    return wheel;
  }

  /** All regions are whole and all gateways ready. */
  async ready(): Promise<void> {
    for (const { store, gateways } of this.spokes.values()) {
      await until(
        async () => {
          const found = await store.readIdentity().catch(() => undefined);
          return found?.outcome === 'identity' && found.identity.whole;
        },
        'the region is whole',
        startsWithinMs,
      );
      for (const { url } of gateways) {
        await until(
          async () => (await fetch(`${url}/readyz`)).status === 200,
          'the gateway is ready',
          startsWithinMs,
        );
      }
    }
  }

  spoke(id: string): Spoke {
    const found = this.spokes.get(id);
    if (!found) throw new Error(`no region ${id}`);
    return found;
  }

  async addPublisher(
    environment: Record<string, string> = {},
    parts: Pick<PublisherParts, 'openStore'> = {},
  ): Promise<PublisherService> {
    const config = readPublisherConfig(
      {
        DATABASE_URL: this.databaseUrl,
        ...(this.#options.redisUrl ? { REDIS_URL: this.#options.redisUrl } : {}),
        SPOKECAST_ENV: 'test',
        SPOKECAST_LOSSES_MIN: '1000000', // suites about something else delete by the hundred
        SPOKECAST_HEARTBEAT_EVERY_MS: '0', // tests count what is written
        ...this.#options.publisher,
        ...environment,
      },
      [],
    );
    const publisher = wirePublisher({ config, clock: systemClock, log: quiet, ...parts });
    await publisher.start();
    this.publishers.push(publisher);
    return publisher;
  }

  async addGateway(region: string): Promise<Gateway> {
    const { gatewayProxy, table, gateways } = this.spoke(region);
    const config = readGatewayConfig(
      {
        SPOKECAST_ENV: 'test',
        SPOKECAST_REGION: region,
        SPOKECAST_HOST: '127.0.0.1',
        SPOKECAST_PORT: '0',
        SPOKECAST_STORE_ENDPOINT: gatewayProxy.url,
        SPOKECAST_STORE_TABLE: table,
        ...this.#options.gateway,
      },
      [],
    );
    const store = DynamoStore.connect({
      table,
      endpoint: gatewayProxy.url,
      requestTimeoutMs: config.storeTimeoutMs,
      clock: systemClock,
      random: systemRandom,
    });
    const gateway = new Gateway({
      config,
      store,
      clock: systemClock,
      random: systemRandom,
      log: quiet,
      build: 'test',
    }).start();
    gateways.push({ gateway, url: await gateway.listen() });
    return gateway;
  }

  /** A tenant with one cluster placed in `regions`, by plain SQL. */
  async newCluster(regions: readonly string[], tenantId = newId('tenant', systemClock, systemRandom)) {
    const clusterId = newId('cluster', systemClock, systemRandom);
    await this.sql.begin(async (sql) => {
      await sql`insert into tenants (id, name) values (${tenantId}, ${tenantId}) on conflict do nothing`;
      await sql`insert into clusters (id, tenant_id, name, upstream_url) values (${clusterId}, ${tenantId}, ${clusterId}, 'http://127.0.0.1:9/')`;
      for (const region of regions)
        await sql`insert into placements (cluster_id, region) values (${clusterId}, ${region})`;
    });
    return { tenantId, clusterId };
  }

  /** An id and a secret for a key that may be inserted later. */
  mintKey(): { id: string; secret: string } {
    const id = newId('agentKey', systemClock, systemRandom);
    return { id, secret: newSecret('agentKey', id, systemRandom) };
  }

  async insertKey(
    clusterId: string,
    key: { id: string; secret: string },
    sql: postgres.Sql | postgres.TransactionSql = this.sql,
  ) {
    await sql`insert into agent_keys (id, cluster_id, name, verifier) values (${key.id}, ${clusterId}, 'k', ${verifierOf(key.secret)})`;
  }

  async newKey(clusterId: string): Promise<{ id: string; secret: string }> {
    const key = this.mintKey();
    await this.insertKey(clusterId, key);
    return key;
  }

  /** What the region's gateway (the first, or that one) says to the secret: the status. */
  async ask(region: string, secret: string, gateway = 0): Promise<number> {
    const { gateways } = this.spoke(region);
    const response = await fetch(`${gateways[gateway]!.url}/v1/authenticate`, {
      headers: { authorization: `Bearer ${secret}` },
    });
    await response.arrayBuffer();
    return response.status;
  }

  /** Waits until the region's gateway answers so. */
  async becomes(region: string, secret: string, status: number, gateway = 0): Promise<void> {
    let last = 0;
    await until(
      async () => {
        last = await this.ask(region, secret, gateway);
        return last === status;
      },
      () => `${region} answers ${status} (it answers ${last})`,
    );
  }

  /** Runs one sweep of the region, as the API asks for it, to its end. */
  async sweep(region: string): Promise<SweepCounts> {
    const id = newId('sweep', systemClock, systemRandom);
    await this
      .sql`insert into sweeps (id, region, cause, status) values (${id}, ${region}, 'requested', 'requested')`;
    await this.sql`select pg_notify('spokecast_sweeps', '')`;
    let row: { status: string; counts: SweepCounts; error: string | null } | undefined;
    await until(async () => {
      [row] = await this.sql`select status, counts, error from sweeps where id = ${id}`;
      return row?.status === 'completed' || row?.status === 'failed';
    }, 'the sweep ends');
    if (row?.status !== 'completed') throw new Error(`the sweep failed: ${row?.error}`);
    return row.counts;
  }

  /** The region's refresh queue as an operator has it: to pause, count and obliterate. */
  async refreshQueue(region: string): Promise<Queue & AsyncDisposable> {
    const queues = openQueues({
      redisUrl: this.#options.redisUrl,
      databaseUrl: this.databaseUrl,
      connectionsMax: 4,
      onError: () => {},
    });
    const queue = queues.queue(queueNames.refresh('test', region)) as unknown as Queue;
    return Object.assign(queue, {
      [Symbol.asyncDispose]: async () => {
        await queue.close();
        await queues[Symbol.asyncDispose]();
      },
    });
  }

  /** Nothing waits in the outbox, in a queue, or is being swept. */
  async idle(withinMs?: number): Promise<void> {
    let calm = 0;
    let found = '';
    await until(
      async () => {
        const [outbox] = await this.sql`select count(*)::int as rows from outbox`;
        const [sweeping] = await this
          .sql`select count(*)::int as rows from sweeps where status in ('requested', 'queued', 'running')`;
        let jobs = 0;
        for (const region of this.publishers[0]!.regions.all()) jobs += await region.jobsUnfinished();
        calm = outbox!.rows + sweeping!.rows + jobs === 0 ? calm + 1 : 0;
        found = `${outbox!.rows} rows of the outbox, ${sweeping!.rows} sweeps, ${jobs} jobs`;
        return calm >= 3;
      },
      () => `everything is idle (${found})`,
      withinMs,
    );
  }

  /** Ends and removes a publisher in order. */
  async removePublisher(publisher: PublisherService): Promise<void> {
    this.publishers.splice(this.publishers.indexOf(publisher), 1);
    await publisher[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gateways = [...this.spokes.values()].flatMap((spoke) => spoke.gateways);
    await Promise.allSettled(gateways.map(({ gateway }) => gateway.stop()));
    await Promise.allSettled(this.publishers.map((publisher) => publisher[Symbol.asyncDispose]()));
    for (const disposable of this.#disposables.reverse()) await disposable[Symbol.asyncDispose]();
  }

  async #addRegion(id: string): Promise<void> {
    const { proxy, table } = await this.addSpoke(id);
    await this
      .sql`insert into regions (id, store_endpoint, store_table) values (${id}, ${proxy.url}, ${table})`;
  }

  /** A store without a table, and a gateway, of a region that the hub does not know yet. */
  async addSpoke(id: string): Promise<Spoke> {
    const dynalite = await startDynalite();
    const proxy = await HttpProxy.start(dynalite.endpoint);
    const gatewayProxy = await HttpProxy.start(dynalite.endpoint);
    const table = `spokecast-test-${id}`;
    const store = DynamoStore.connect({
      table,
      endpoint: dynalite.endpoint,
      clock: systemClock,
      random: systemRandom,
    });
    const raw = new RawDynamo(dynalite.endpoint, table);
    this.spokes.set(id, { id, proxy, gatewayProxy, dynalite, table, raw, store, gateways: [] });
    this.#disposables.push(dynalite, proxy, gatewayProxy, store);
    await this.addGateway(id);
    return this.spoke(id);
  }
}

const quiet = createLogger({ service: 'test', level: process.env.SPOKECAST_TEST_LOG ?? 'fatal' });

/** Polls until `condition` holds. @throws after a minute, naming what was waited for. */
export async function until(
  condition: () => Promise<boolean>,
  what: string | (() => string),
  withinMs = 60_000,
): Promise<void> {
  const startedAt = systemClock.monotonic();
  while (!(await condition())) {
    if (systemClock.monotonic() - startedAt > withinMs) {
      throw new Error(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await systemClock.sleep(10);
  }
}
