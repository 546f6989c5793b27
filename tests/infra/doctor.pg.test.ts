import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { StoreError } from '../../contexts/store.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { clockFinding, type Finding } from '../../infra/bin/doctor/finding.ts';
import { permissions } from '../../infra/bin/doctor/stores.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { createDatabase } from '../support/database.ts';
import { type Dynalite, startDynalite } from '../support/dynalite.ts';
import { runCli } from './support/cli.ts';

let hub: TestHub;
let dynalite: Dynalite;
let sql: postgres.Sql;
beforeAll(async () => {
  [hub, dynalite] = await Promise.all([startHub(), startDynalite()]);
  sql = postgres(hub.databaseUrl, { max: 1 });
});
afterAll(async () => {
  await sql?.end();
  await hub?.[Symbol.asyncDispose]();
  await dynalite?.[Symbol.asyncDispose]();
});

const owner = () => ({ SPOKECAST_HUB_URL: hub.url, SPOKECAST_APPLICATION_KEY: hub.owner.secret! });
const doctor = async (environment: Record<string, string>, ...flags: string[]) => {
  const ran = await runCli(environment, ['doctor', '--json', ...flags]);
  const { findings } = JSON.parse(ran.stdout) as { findings: Finding[] };
  const of = (what: string) => findings.find((finding) => finding.what === what);
  return { ...ran, findings, of };
};
/** A region whose table was set up by the publisher of `hubId`. */
const regionOf = async (id: string, identity: { hubId: string; environment?: string; whole?: boolean }) => {
  const table = `spokecast-test-${id}`;
  const store = { endpoint: dynalite.endpoint, table };
  expect((await hub.owner.post('/v1/regions', { id, store })).status).toBe(201);
  await using opened = DynamoStore.connect({ ...store, clock: systemClock, random: systemRandom });
  const { environment = 'dev', hubId, whole = true } = identity;
  const made = await opened.initialise(
    { environment, region: id, hubId },
    { shards: 4, newIncarnation: 'i' },
  );
  await opened.setWhole(made.incarnation, whole);
  await sql`update regions set status = 'active' where id = ${id}`;
};

describe('doctor', () => {
  test('finds nothing at fault where all is well, and changes nothing', async () => {
    const [{ hub_id: hubId }] = (await sql`select hub_id from hub_state`) as unknown as [{ hub_id: string }];
    await regionOf('well-1', { hubId });
    const { exitCode, of, findings } = await doctor({ ...owner(), DATABASE_URL: hub.databaseUrl });
    expect(findings.filter(({ outcome }) => outcome === 'fault')).toEqual([]);
    expect(exitCode).toBe(0);
    for (const what of [
      'hub',
      'version',
      'application key',
      'clock of the hub',
      'clock of Postgres',
      'migrations',
    ])
      expect(of(what), what).toMatchObject({ outcome: 'fine' });
    expect(of('capture')).toMatchObject({ outcome: 'fine' });
    expect(of('store of well-1')).toMatchObject({
      outcome: 'fine',
      detail: expect.stringContaining('dev, whole'),
    });
    expect(of('permissions in the store of well-1')).toMatchObject({ outcome: 'fine' });
    expect(of('gateways of well-1')).toMatchObject({ outcome: 'doubt', detail: 'none reports' });
    const words = await runCli({ ...owner(), DATABASE_URL: hub.databaseUrl }, ['doctor']);
    expect(words.stdout).toMatch(/^ok {7}environment: [\s\S]*\nnothing is at fault\n$/);
    expect(words.stdout).not.toContain(hub.owner.secret);
  });

  test('names every fault, with what to do, and ends with 1', async () => {
    await regionOf('foreign-1', { hubId: '00000000-0000-0000-0000-000000000000' });
    await regionOf('staging-1', { hubId: 'x', environment: 'staging' });
    await hub.owner.post('/v1/regions', {
      id: 'lost-1',
      store: { endpoint: dynalite.endpoint, table: 'none' },
    });
    await hub.owner.post('/v1/regions', {
      id: 'far-1',
      store: { endpoint: 'http://127.0.0.1:9', table: 'far' },
    });
    await sql`alter table tenants disable trigger user`;
    await sql`insert into outbox (kind, key, regions, cause, tightens, created_at)
      values ('tenant', 'ten_x', '{}', 'row', false, now() - interval '2 minutes')`;
    const ill = await doctor({ ...owner(), DATABASE_URL: hub.databaseUrl, SPOKECAST_PROT: '1' });
    expect(ill.exitCode).toBe(1);
    for (const [what, detail] of [
      ['environment', 'SPOKECAST_PROT'],
      ['capture', 'tenants.'],
      ['outbox', 'for a publisher'],
      ['store of foreign-1', 'hubId is'],
      ['store of staging-1', 'environment is "staging"'],
      ['store of lost-1', 'no table none'],
      ['store of far-1', ''],
    ] as const)
      expect(ill.of(what), what).toMatchObject({
        outcome: 'fault',
        detail: expect.stringContaining(detail),
        fix: expect.stringMatching(/\w+/),
      });
    const without = await doctor(owner(), '--skip-stores');
    expect(without.findings.some(({ what }) => what.startsWith('store of'))).toBe(false);
    expect(without.of('Postgres')).toMatchObject({ outcome: 'skipped' });
  });

  test('a hub, a key, a database that are not there or not right', async () => {
    const gone = await doctor({ ...owner(), SPOKECAST_HUB_URL: 'http://127.0.0.1:9' });
    expect([gone.exitCode, gone.of('hub')]).toMatchObject([1, { outcome: 'fault' }]);
    const stranger = await doctor({ ...owner(), SPOKECAST_APPLICATION_KEY: 'spa_wrong' });
    expect(stranger.of('application key')).toMatchObject({ fix: expect.stringContaining('spokecast login') });
    const keyless = await doctor({ DATABASE_URL: 'mysql://u:hunter2@h/d' });
    expect(keyless.of('hub address')).toMatchObject({ outcome: 'fault', fix: 'spokecast login' });
    expect(keyless.of('Postgres')).toMatchObject({ outcome: 'fault' });
    expect(keyless.stdout + keyless.stderr).not.toContain('hunter2');
    await using empty = await createDatabase('empty');
    const behind = await doctor({ DATABASE_URL: empty.url });
    expect(behind.of('migrations')).toMatchObject({ outcome: 'fault', fix: 'spokecast migrate' });
  });
});

test('what a store refuses is named, action by action', async () => {
  const refuse = async () => {
    throw new StoreError('STORE_REFUSED', 'AccessDenied');
  };
  const store = { read: refuse, readFeed: async () => ({}), setWhole: refuse, expire: async () => 'changed' };
  expect(await permissions(store as never, 'r')).toMatchObject([
    { outcome: 'fault', detail: 'dynamodb:BatchGetItem, dynamodb:UpdateItem refused' },
  ]);
});

test.each([
  [0, 500, 'fine'],
  [2_400, 500, 'fine'],
  [-2_600, 500, 'doubt'],
  [61_000, 500, 'fault'],
] as const)('a clock that is %d ms ahead, give or take %d ms, is %s', (aheadMs, withinMs, outcome) => {
  expect(clockFinding('clock', aheadMs, withinMs).outcome).toBe(outcome);
});
