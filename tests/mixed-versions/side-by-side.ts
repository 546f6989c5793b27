import { systemClock } from '../../contexts/base/clock.ts';
import { createLogger } from '../../contexts/base/log.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import type { SweepCounts } from '../../hub/db/schema.ts';
import type { PublishResult } from '../../publisher/publish.ts';
import type { Regions } from '../../publisher/regions.ts';
import type { HubAndSpokes } from '../replication/support/hub-and-spokes.ts';
import type { Tree } from './tree.ts';

const quiet = createLogger({ service: 'test', level: 'fatal' });

/** One build's publish step and sweep over a region, run when a test says so: the real code, without its queues. */
export async function publisherOf(tree: Tree, wheel: HubAndSpokes, region: string) {
  const { proxy, table } = wheel.spoke(region);
  const database = tree.connect(wheel.databaseUrl, { applicationName: 'test', max: 2 });
  const { db } = database;
  const store = tree.DynamoStore.connect({
    table,
    endpoint: proxy.url,
    clock: systemClock,
    random: systemRandom,
  });
  const hub = {
    build: (refs: Parameters<typeof tree.builders.buildContexts>[2]) =>
      tree.builders.buildContexts(db, region, refs, systemClock),
    checkRun: async () => {}, // no database is restored here
    checkNotAhead: () => tree.ahead.checkNotAhead(region, store, () => tree.sweeps.hubHighWater(db)),
  };
  const config = tree.publisherConfig(
    {
      DATABASE_URL: wheel.databaseUrl,
      SPOKECAST_SWEEP_SETTLE_MS: '0',
      SPOKECAST_LOSSES_MIN: '1000000', // not what is tested here
    },
    [],
  );
  const metrics = tree.publisherMetrics();
  const none = { all: () => [], get: () => undefined } as unknown as Regions;
  const guards = tree.openGuards({
    ...{ db, clock: systemClock, log: quiet, metrics, config },
    regions: () => none,
  });
  const publisher = new tree.Publisher({
    ...{
      store,
      hub,
      guard: guards.of(region),
      clock: systemClock,
      putConcurrency: 4,
      snapshotAgeMaxMs: 60_000,
    },
    onOutcome: () => {},
  });
  return {
    tree,
    store,
    /** Puts of contexts that the store took, during `work`. */
    async writes(work: () => Promise<unknown>): Promise<number> {
      const before = await contents(wheel, region);
      await work();
      const after = await contents(wheel, region);
      return [...after].filter(([key, item]) => before.get(key) !== item).length;
    },
    /** What the outbox names, as a refresh of this build publishes it. The rows stay, for the other build. */
    async refresh(): Promise<PublishResult['outcomes']> {
      const rows =
        await wheel.sql`select distinct kind, key from outbox where kind = any(${tree.kinds.kindNames})`;
      const refs = rows.map(({ kind, key }) => ({ kind, key }));
      return (await publisher.publish({ refs })).outcomes;
    },
    async sweep(): Promise<SweepCounts> {
      const job = { cause: 'scheduled' } as const;
      const { freezes } = guards;
      const parts = { db, clock: systemClock, random: systemRandom, log: quiet, config, metrics, freezes };
      await tree.runSweep(parts, region, job, {
        ...{ store, publisher, signal: new AbortController().signal },
      });
      const [row] =
        await wheel.sql`select counts from sweeps where region = ${region} order by finished_at desc limit 1`;
      return row!.counts as SweepCounts;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Every context the region's table holds, as bytes: `kind#shard/key -> item`. */
async function contents(wheel: HubAndSpokes, region: string): Promise<Map<string, string>> {
  const items = await wheel.spoke(region).raw.all();
  return new Map(
    items
      .filter((item) => String(item.pk?.S).includes('#'))
      .map((item) => [`${item.pk?.S}/${item.sk?.S}`, JSON.stringify(item)]),
  );
}

/** A gateway of that build over the region's store, listening. */
export async function gatewayOf(tree: Tree, wheel: HubAndSpokes, region: string) {
  const { dynalite, table } = wheel.spoke(region);
  const config = tree.gatewayConfig(
    {
      ...{
        SPOKECAST_ENV: 'test',
        SPOKECAST_REGION: region,
        SPOKECAST_HOST: '127.0.0.1',
        SPOKECAST_PORT: '0',
      },
      ...{ SPOKECAST_STORE_ENDPOINT: dynalite.endpoint, SPOKECAST_STORE_TABLE: table },
      SPOKECAST_FEED_POLL_MS: '10',
    },
    [],
  );
  const store = tree.DynamoStore.connect({
    table,
    endpoint: dynalite.endpoint,
    clock: systemClock,
    random: systemRandom,
  });
  const parts = { clock: systemClock, random: systemRandom, log: quiet, build: 'test' };
  const gateway = new tree.Gateway({ config, store, ...parts }).start();
  const url = await gateway.listen();
  return {
    gateway,
    async ask(secret: string): Promise<number> {
      const response = await fetch(`${url}/v1/authenticate`, {
        headers: { authorization: `Bearer ${secret}` },
      });
      await response.arrayBuffer();
      return response.status;
    },
    async metrics(): Promise<string> {
      return (await fetch(`${url}/metrics`)).text();
    },
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}
