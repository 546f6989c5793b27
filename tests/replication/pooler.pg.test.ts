import { sql as query } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../hub/db/client.ts';
import { migrate } from '../../hub/db/migrate.ts';
import { checkSession } from '../../hub/db/session.ts';
import { promoteEpoch } from '../../hub/promotion/promote.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { agentKey, applicationKey, cluster, tenant } from '../hub/support/things.ts';
import { runCli } from '../infra/support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { describeWith } from '../support/requirements.ts';
import { HubAndSpokes } from './support/hub-and-spokes.ts';

/**
 * Two publishers, a hub that listens past the pooler and one that cannot, on three connections of the pooler: whatever
 * was left behind on a connection would meet somebody else at once.
 */
const region = 'eu-west-1';
const poolSize = 3;

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describeWith('pgbouncer', 'behind a PgBouncer that pools transactions', () => {
  let wheel: HubAndSpokes;
  let bouncer: PgBouncer;
  let pooled: Record<string, string>;
  let hub: TestHub;
  let deaf: TestHub;
  beforeAll(async () => {
    wheel = await HubAndSpokes.start({ regions: [region], publishers: 0 });
    bouncer = await startPgBouncer(wheel.databaseUrl, { poolSize });
    pooled = { DATABASE_URL: bouncer.through(wheel.databaseUrl), SPOKECAST_DATABASE_POOLER: 'transaction' };
    const listening = { ...pooled, SPOKECAST_DATABASE_DIRECT_URL: wheel.databaseUrl };
    const { databaseUrl } = wheel;
    hub = await startHub({ databaseUrl, environment: listening });
    deaf = await startHub({ databaseUrl, environment: pooled });
    await wheel.addPublisher(listening);
    await wheel.addPublisher(listening);
    await wheel.ready(); // seeded, and verified by a sweep
  });
  afterAll(async () => {
    await hub?.[Symbol.asyncDispose]();
    await deaf?.[Symbol.asyncDispose]();
    await wheel?.[Symbol.asyncDispose]();
    await bouncer?.[Symbol.asyncDispose]();
  });

  test('[law 3] [law 6] changes arrive, fences complete, sweeps mend, whether a hub can listen or not', async () => {
    for (const { owner } of [hub, deaf]) {
      const clusterId = await cluster(owner, await tenant(owner), [region]);
      const keys = await Promise.all([1, 2, 3, 4, 5, 6].map(() => agentKey(owner, clusterId)));
      for (const key of keys) await wheel.becomes(region, key.secret, 200);
      const gone = await owner.delete(`/v1/agent-keys/${keys[0]!.id}?wait=regions&timeoutMs=30000`);
      expect([gone.status, gone.headers.get('spokecast-propagation')]).toEqual([204, 'complete']);
      expect(await wheel.ask(region, keys[0]!.secret)).toBe(401);
    }
    await wheel.idle();
    const { clusterId } = await wheel.newCluster([region]);
    await wheel.idle();
    await wheel.spoke(region).raw.deleteContext({ kind: 'cluster', key: clusterId });
    expect(await wheel.sweep(region)).toMatchObject({ missing: 1 });
    expect(await wheel.sweep(region)).toMatchObject({ missing: 0, written: 0 });
  });

  test('[law 6] who listens past the pooler hears what is told through it', async () => {
    const heard: string[] = [];
    for (const channel of ['test_one', 'test_two'])
      await wheel.sql.listen(channel, () => heard.push(channel));
    for (const { services } of [hub.hub, deaf.hub]) await services.database.notify(['test_one', 'test_two']);
    await expect
      .poll(() => heard, { timeout: 30_000 })
      .toEqual(['test_one', 'test_two', 'test_one', 'test_two']);
  });

  test('more questions at once than there are connections are answered, each of them', async () => {
    const { databaseUrl, sql } = wheel;
    await using database = connect(
      { url: bouncer.through(databaseUrl), pooler: 'transaction' },
      { applicationName: 'test', max: 2 },
    );
    const [one] = await sql<{ id: string }[]>`select id from regions`;
    const asked = Array.from({ length: 400 }, (_, at) =>
      // With a value and without one: the driver asks for the types of the first kind before it sends them.
      at % 2 === 0
        ? database.db.execute(query`select id, pg_sleep(0.001) from regions where id = ${one!.id}`)
        : database.db.execute(query`select id from regions`),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter(([row]) => row?.id !== one!.id)).toEqual([]);
  });

  test('[law 9] who takes turns by a lock of the database still does, and leaves none behind', async () => {
    const owners = await Promise.all([1, 2, 3, 4].map(() => applicationKey(hub.owner, { role: 'owner' })));
    const others = owners.map((_, at) => owners[(at + 1) % owners.length]!.id);
    const ends = await Promise.all(
      owners.map(({ secret }, at) =>
        [hub, deaf][at % 2]!.as(secret).delete(`/v1/application-keys/${others[at]}`),
      ),
    );
    expect(ends.filter(({ status }) => status !== 204 && status !== 401)).toEqual([]);

    const doomed = await wheel.newKey((await wheel.newCluster([region])).clusterId);
    await wheel.becomes(region, doomed.secret, 200);
    await wheel.sql`delete from agent_keys where id = ${doomed.id}`; // counted against the budget, under its lock
    await wheel.becomes(region, doomed.secret, 401);

    const promotion = {
      ...{ environment: 'test', without: [], force: true, dryRun: true, storeTimeoutMs: 5_000 },
      database: { url: pooled.DATABASE_URL!, pooler: 'transaction' as const },
      onProgress: () => {},
    };
    const promotions = await Promise.allSettled([promoteEpoch(promotion), promoteEpoch(promotion)]);
    expect(promotions.some(({ status }) => status === 'fulfilled')).toBe(true);
    for (const one of promotions)
      expect(one.status === 'fulfilled' ? one.value.outcome : one.reason.message).toMatch(/planned|another/);

    await using empty = await createDatabase('empty');
    const url = bouncer.through(empty.url);
    const migrated = await Promise.all([1, 2].map(() => migrate(url)));
    expect(migrated.filter((names) => names.length > 0)).toHaveLength(1);
    await expect
      .poll(async () => await wheel.sql`select 1 from pg_locks where locktype = 'advisory'`, {
        timeout: 30_000,
      })
      .toEqual([]);
  });

  test('a pooler that nobody told of is refused at the start, and doctor says what to do', async () => {
    const undeclared = { DATABASE_URL: pooled.DATABASE_URL! };
    const started = await runCli(undeclared, ['hub']);
    expect([started.exitCode, started.stderr]).toEqual([
      78,
      expect.stringContaining('set SPOKECAST_DATABASE_POOLER=transaction'),
    ]);
    const both = { ...pooled, SPOKECAST_DATABASE_DIRECT_URL: wheel.databaseUrl };
    for (const [environment, finding] of [
      [undeclared, { outcome: 'fault', fix: 'set SPOKECAST_DATABASE_POOLER=transaction' }],
      [
        { ...both, SPOKECAST_DATABASE_DIRECT_URL: pooled.DATABASE_URL! },
        { outcome: 'fault', fix: expect.stringContaining('Postgres itself') },
      ],
      [pooled, { outcome: 'doubt', fix: expect.stringContaining('SPOKECAST_DATABASE_DIRECT_URL') }],
      [both, { outcome: 'doubt', fix: expect.stringContaining('statement_timeout') }],
      [{ DATABASE_URL: wheel.databaseUrl }, { outcome: 'fine' }],
    ] as const) {
      const ran = await runCli(
        { ...environment, SPOKECAST_HUB_URL: hub.url, SPOKECAST_APPLICATION_KEY: hub.owner.secret! },
        ['doctor', '--json', '--skip-stores'],
      );
      const { findings } = JSON.parse(ran.stdout) as { findings: { what: string }[] };
      expect(findings.find(({ what }) => what === 'connections to Postgres')).toMatchObject(finding);
    }
  });

  test('a pooler that swallows what it does not know is found out as well', async () => {
    await using swallowing = await startPgBouncer(wheel.databaseUrl, {
      poolSize: 1,
      settings: { ignore_startup_parameters: 'statement_timeout,idle_in_transaction_session_timeout' },
    });
    await using database = connect(swallowing.through(wheel.databaseUrl), {
      applicationName: 'test',
      max: 1,
    });
    await expect(checkSession(database)).rejects.toThrow('SPOKECAST_DATABASE_POOLER=transaction');
  });
});
