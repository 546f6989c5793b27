import { eq } from 'drizzle-orm';
import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newId } from '../../contexts/ids.ts';
import { connect, type Database } from '../../hub/db/client.ts';
import { awaitFence, type FenceProgress, readFence } from '../../hub/db/fences.ts';
import { mutationOpening } from '../../hub/db/mutations.ts';
import { agentKeys } from '../../hub/db/schema.ts';
import { handedRowsMax } from '../../publisher/relay.ts';
import { HubAndSpokes, until } from './support/hub-and-spokes.ts';

const [east, west] = ['us-east-1', 'eu-west-1'] as const;

/** Fences end to end on real parts, but for the API, in whose place SQL opens them. */
describe('fences', () => {
  let wheel: HubAndSpokes;
  let database: Database;
  beforeAll(async () => {
    wheel = await HubAndSpokes.start({
      regions: [east, west],
      publisher: { SPOKECAST_COLLECT_EVERY_MS: '500' },
      gateway: { SPOKECAST_STATUS_EVERY_MS: '500', SPOKECAST_CACHE_REFRESH_MS: '60000' },
    });
    database = connect(wheel.databaseUrl, { applicationName: 'test' });
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
    await wheel[Symbol.asyncDispose]();
  });

  /** Commits a change under a fence. */
  const fenced = async (change: (sql: postgres.TransactionSql) => Promise<unknown>): Promise<string> => {
    const [opened] = await wheel.sql.begin(async (sql) => {
      const rows = await sql`select open_fence() as id`;
      await change(sql);
      return rows;
    });
    return opened!.id;
  };
  const look = async (fence: string): Promise<FenceProgress> => (await readFence(database.db, fence))!;
  const at = async (fence: string, region: string) =>
    (await look(fence)).regions.find((one) => one.region === region)!;
  const isSeen = async (fence: string) => (await look(fence)).regions.every((region) => region.complete);
  /** Waits as a hub does. Returns how long it took. */
  const seen = async (fence: string, withinMs = 30_000) => {
    const startedAt = systemClock.monotonic();
    await awaitFence(database.db, fence, withinMs);
    await until(() => isSeen(fence), `${fence} is seen`, withinMs);
    return systemClock.monotonic() - startedAt;
  };
  const placed = async (regions: readonly string[], keys: number) => {
    const { clusterId, tenantId } = await wheel.newCluster(regions);
    const made = Array.from({ length: keys }, () => wheel.mintKey());
    await wheel.sql.begin(async (sql) => {
      for (const key of made) await wheel.insertKey(clusterId, key, sql);
    });
    await wheel.idle();
    return { clusterId, tenantId, keys: made };
  };

  test('[law 1] [law 6] a change whose hub dies before it tells anybody is found and published all the same', async () => {
    const { keys } = await placed([east, west], 1);
    const [key] = keys as [(typeof keys)[0]];
    for (const region of [east, west]) await wheel.becomes(region, key.secret, 200);
    // All that the hub does in its transaction. What it does after that, nobody does.
    const fence = newId('fence', systemClock, systemRandom);
    await database.db.transaction(async (tx) => {
      await mutationOpening(tx, { id: fence, tenantId: null });
      await tx.delete(agentKeys).where(eq(agentKeys.id, key.id));
    });
    // By a poll of half a second: well before one of a minute would have found it.
    for (const region of [east, west])
      await until(async () => (await wheel.ask(region, key.secret)) === 401, 'it is found', 20_000);
    await seen(fence);
  });

  test('[law 6] once a revocation is seen, no gateway of any region lets the key in, and it takes no sleep', async () => {
    await wheel.addGateway(west);
    const { keys } = await placed([east, west], 20);
    const took: number[] = [];
    for (const key of keys) {
      for (const region of [east, west]) await wheel.becomes(region, key.secret, 200);
      await wheel.becomes(west, key.secret, 200, 1);
      const fence = await fenced((sql) => sql`delete from agent_keys where id = ${key.id}`);
      took.push(await seen(fence));
      const answers = [
        await wheel.ask(east, key.secret),
        await wheel.ask(west, key.secret),
        await wheel.ask(west, key.secret, 1),
      ];
      expect(answers).toEqual([401, 401, 401]);
      expect((await at(fence, west)).gateways).toBe(2);
    }
    took.sort((a, b) => a - b);
    console.log(
      `20 revocations seen by 3 gateways: median ${took[10]!.toFixed(0)} ms, max ${took[19]!.toFixed(0)} ms`,
    );
  });

  test('what is not read yet is not seen, though its announcement was heard', async () => {
    const { keys } = await placed([west], 1);
    await wheel.becomes(west, keys[0]!.secret, 200);
    const held = wheel.spoke(west).gatewayProxy.hold({ operation: 'BatchGetItem' });
    try {
      const fence = await fenced(
        (sql) => sql`update agent_keys set status = 'disabled' where id = ${keys[0]!.id}`,
      );
      await awaitFence(database.db, fence, 30_000);
      await held.gate.reached();
      await until(async () => (await at(fence, west)).storedAtMs !== null, 'it is stored');
      const { gateway } = wheel.spoke(west).gateways[0]!;
      const { feedNumber } = (
        await wheel.sql`select max(feed_number)::int as "feedNumber" from receipts`
      )[0]!;
      await until(async () => (gateway.tail.watermark ?? 0) >= feedNumber, 'it is heard');
      await systemClock.sleep(600);
      expect(await wheel.ask(west, keys[0]!.secret), 'what is held is served').toBe(200);
      const progress = await at(fence, west);
      expect([progress.complete, progress.laggards.map(({ id }) => id)]).toEqual([
        false,
        expect.arrayContaining([gateway.id]),
      ]);
      held.gate.open();
      held.end();
      await seen(fence);
      expect(await wheel.ask(west, keys[0]!.secret)).toBe(403);
    } finally {
      held.gate.open();
      held.end();
    }
  });

  test('a move of a cluster stands for its 300 keys, where it goes and where it was', async () => {
    const { clusterId, keys } = await placed([east], 300);
    for (const key of keys.slice(0, 20)) {
      expect([await wheel.ask(east, key.secret), await wheel.ask(west, key.secret)]).toEqual([200, 401]);
    }
    const fence = await fenced(async (sql) => {
      await sql`insert into placements (cluster_id, region) values (${clusterId}, ${west})`;
      await sql`delete from placements where cluster_id = ${clusterId} and region = ${east}`;
    });
    const tookMs = await seen(fence);
    const found = await look(fence);
    console.log(`300 keys moved and seen after ${tookMs.toFixed(0)} ms: ${found.rowsWritten} changes`);
    expect(found.rowsWritten).toBeGreaterThan(600);
    expect(found.regions.map((region) => region.region)).toEqual([west, east]);
    const answers = await settleBounded(keys, 8, async ({ secret }) => [
      await wheel.ask(west, secret),
      await wheel.ask(east, secret),
    ]);
    const told = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.join() : 'failed'));
    expect([...new Set(told)]).toEqual(['200,401']);
  });

  test('a newer change of the same thing does for the older', async () => {
    const { keys } = await placed([west], 1);
    const older = await fenced(
      (sql) => sql`update agent_keys set permissions = '{older}' where id = ${keys[0]!.id}`,
    );
    const newer = await fenced(
      (sql) => sql`update agent_keys set permissions = '{newer}' where id = ${keys[0]!.id}`,
    );
    await Promise.all([seen(older), seen(newer)]);
  });

  test('[law 3] rows that were lost are not stored, until a sweep', async () => {
    const { keys } = await placed([west], 1);
    const fence = await fenced(async (sql) => {
      await sql`delete from agent_keys where id = ${keys[0]!.id}`;
      await sql`delete from outbox where kind = 'agent-key' and key = ${keys[0]!.id}`;
    });
    await awaitFence(database.db, fence, 30_000);
    await wheel.idle();
    await systemClock.sleep(500);
    expect(await at(fence, west)).toMatchObject({ complete: false, storedAtMs: null });
    await wheel.sweep(west);
    await seen(fence);
    expect(await wheel.ask(west, keys[0]!.secret)).toBe(401);
  });

  test('[law 3] jobs that were lost are not stored, until a sweep', async () => {
    // Of more than so many rows the relay makes jobs, and hands nothing over.
    const { clusterId, keys } = await placed([west], handedRowsMax + 1);
    await wheel.becomes(west, keys[0]!.secret, 200);
    await using queue = await wheel.refreshQueue(west);
    await queue.pause();
    let fence: string;
    try {
      fence = await fenced(
        (sql) => sql`update agent_keys set permissions = '{more}' where cluster_id = ${clusterId}`,
      );
      await until(async () => (await queue.count()) > 0, 'the job is made');
      await queue.obliterate({ force: true });
    } finally {
      await queue.resume();
    }
    await awaitFence(database.db, fence, 30_000);
    await systemClock.sleep(500);
    expect(await at(fence, west)).toMatchObject({ complete: false, storedAtMs: null, jobsOpen: 1 });
    await wheel.sweep(west);
    await seen(fence);
    const response = await fetch(`${wheel.spoke(west).gateways[0]!.url}/v1/authenticate`, {
      headers: { authorization: `Bearer ${keys[0]!.secret}` },
    });
    expect(await response.json()).toMatchObject({ permissions: ['more'] });
  });

  test('content that must not be published is told, and once it is right again a sweep settles it', async () => {
    const { clusterId } = await placed([west], 1);
    const fence = await fenced(
      (sql) => sql`update clusters set upstream_url = 'nonsense' where id = ${clusterId}`,
    );
    await until(async () => (await at(fence, west)).heldBack !== null, 'it is told');
    expect(await at(fence, west)).toMatchObject({
      ...{ complete: false, storedAtMs: null, heldBack: `cluster/${clusterId} is quarantined` },
    });
    await wheel.sweep(west);
    expect((await at(fence, west)).storedAtMs, 'a sweep that leaves it out proves nothing').toBeNull();
    await wheel.sql`update clusters set upstream_url = 'http://127.0.0.1:9/' where id = ${clusterId}`;
    await wheel.idle();
    await wheel.sweep(west);
    await seen(fence);
  });

  test('[law 4] a region whose store is gone says so; the other is seen meanwhile; it settles when it is back', async () => {
    const { keys } = await placed([west, east], 1);
    const outage = wheel.spoke(west).proxy.drop();
    try {
      const fence = await fenced((sql) => sql`delete from agent_keys where id = ${keys[0]!.id}`);
      await awaitFence(database.db, fence, 30_000);
      await until(async () => (await at(fence, east)).complete, 'the other region has it');
      await until(async () => (await at(fence, west)).report?.state === 'behind', 'it says why');
      expect(await at(fence, west)).toMatchObject({ complete: false, storedAtMs: null });
      outage.end();
      await seen(fence);
      expect(await wheel.ask(west, keys[0]!.secret)).toBe(401);
    } finally {
      outage.end();
    }
  });

  test('a gateway that ends in order is waited for by nobody, one that falls silent is', async () => {
    const { keys } = await placed([east], 2);
    const leaving = await wheel.addGateway(east);
    const silent = await wheel.addGateway(east);
    await until(
      async () => (await wheel.sql`select 1 from gateways where region = ${east}`).length === 3,
      'they are known',
    );
    await leaving.stop();
    const first = await fenced((sql) => sql`delete from agent_keys where id = ${keys[0]!.id}`);
    await seen(first);
    await until(
      async () => (await wheel.sql`select 1 from gateways where region = ${east}`).length === 2,
      'it is forgotten',
    );

    const cut = wheel.spoke(east).gatewayProxy.drop({
      operation: ['PutItem', 'Query'],
      where: (request) => request.operation === 'Query' || request.body.includes(silent.id),
    });
    try {
      const second = await fenced((sql) => sql`delete from agent_keys where id = ${keys[1]!.id}`);
      await awaitFence(database.db, second, 20_000);
      await until(
        async () => (await at(second, east)).laggards.some((one) => one.state === 'unknown'),
        'it is unknown',
      );
      expect((await at(second, east)).complete).toBe(false);
      cut.end();
      await seen(second);
    } finally {
      cut.end();
    }
  });

  test('nothing is asked of a store more often than needed: gateways report when something moved', async () => {
    await wheel.idle();
    const { gatewayProxy } = wheel.spoke(east);
    const { keys } = await placed([east], 1);
    await systemClock.sleep(300);
    gatewayProxy.reset();
    const reports = () => gatewayProxy.requests.filter((one) => one.operation === 'PutItem').length;
    const startedAt = systemClock.monotonic();
    for (let i = 0; i < 40; i++) {
      await wheel.sql`update agent_keys set permissions = ${[`p${i}`]} where id = ${keys[0]!.id}`;
      await systemClock.sleep(20);
    }
    const gateways = wheel.spoke(east).gateways.length - 1; // one has ended
    const periods = (systemClock.monotonic() - startedAt) / 200;
    expect(reports()).toBeLessThanOrEqual(gateways * (periods + 2));
  });
});
