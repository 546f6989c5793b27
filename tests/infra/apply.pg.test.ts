import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { systemClock } from '../../contexts/base/clock.ts';
import { verifierMatches } from '../../contexts/secrets.ts';
import { HubClient } from '../../infra/bin/hub-client.ts';
import { readDesired } from '../../infra/bin/platform/desired.ts';
import { DurableLog } from '../../infra/bin/platform/durable-log.ts';
import { Interrupted } from '../../infra/bin/platform/interruption.ts';
import { planChanges } from '../../infra/bin/platform/plan.ts';
import { Runner } from '../../infra/bin/platform/runner.ts';
import { readState } from '../../infra/bin/platform/state.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { agentKey, applicationKey, cluster, region, tenant } from '../hub/support/things.ts';
import { Gate } from '../support/gate.ts';
import { HttpProxy } from '../support/http-proxy.ts';
import { type Given, runCli } from './support/cli.ts';
import { CliProcess } from './support/cli-process.ts';
import { anyTenant } from './support/platforms.ts';

let hub: TestHub;
let sql: postgres.Sql;
let home: string;
let files = 0;
beforeAll(async () => {
  hub = await startHub();
  sql = postgres(hub.databaseUrl, { max: 1 });
  home = await mkdtemp(join(tmpdir(), 'spokecast-apply-'));
  for (const id of ['north', 'south']) await region(hub.owner, id);
});
afterAll(async () => {
  await sql?.end();
  await hub?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const run = (args: readonly string[], given?: Given) =>
  runCli(
    { SPOKECAST_HUB_URL: hub.url, SPOKECAST_APPLICATION_KEY: hub.owner.secret!, HOME: home },
    args,
    given,
  );
const text = (platform: object) => stringify({ spokecast: 1, ...platform });
const apply = (platform: object, ...flags: string[]) =>
  run(['apply', '-f', '-', '--yes', ...flags], { input: text(platform) });
const diff = (platform: object, ...flags: string[]) =>
  run(['diff', '-f', '-', ...flags], { input: text(platform) });
const secretsFile = () => join(home, `secrets-${++files}.jsonl`);
const recordsIn = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const secretWorks = async (id: string, secret: string) => {
  const [row] = await sql`select verifier, restricted_verifier from agent_keys where id = ${id}`;
  return verifierMatches(secret, row!.restricted_verifier ?? row!.verifier);
};
/** What every write leaves behind. */
const writes = async () =>
  (
    await sql`select (select count(*)::int from audit_log) as audited, (select count(*)::int from fences) as fences,
      (select max(revision)::int from heads) as revision`
  )[0];

const upstreamUrl = 'http://upstream.example:8080';
/** One tenant with one cluster in the north, and these keys. */
const one = (name: string, keys: readonly object[] = [], more: object = {}) => ({
  tenants: [
    { name, clusters: [{ name: 'orders', upstreamUrl, placements: ['north'], agentKeys: keys, ...more }] },
  ],
});
const keysOf = async (name: string) => {
  const [found] = (await hub.owner.get(`/v1/tenants?name=${encodeURIComponent(name)}`)).body.items;
  const { items } = (await hub.owner.get(`/v1/agent-keys?tenantId=${found.id}&limit=200`)).body;
  return items.toSorted((a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1));
};

describe('apply', () => {
  test('makes what the file says, keeps the secrets, and changes nothing the second time', async () => {
    const out = secretsFile();
    const platform = one('Made', [
      { name: 'a', permissions: ['read'] },
      { name: 'b', status: 'disabled' },
    ]);
    expect(await diff(platform)).toMatchObject({
      exitCode: 2,
      stdout: expect.stringMatching(
        /^\+ tenant Made\n\+ cluster Made\/orders\n\n4 to create, 0 to change, 0 to delete\.\n2 new agent keys work: 1 in north\.\nContexts published: north 4\.\n$/,
      ),
    });
    const made = await apply(platform, '--secrets-out', out);
    expect(made).toMatchObject({ exitCode: 0, stdout: '4 created, 0 changed, 0 deleted.\n' });
    expect(made.stdout + made.stderr).not.toContain('spk_');
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const records = await recordsIn(out);
    expect(records).toMatchObject([
      { tenant: 'Made', cluster: 'orders', key: 'a' },
      { tenant: 'Made', cluster: 'orders', key: 'b' },
    ]);
    for (const { keyId, secret } of records) expect(await secretWorks(keyId, secret)).toBe(true);
    expect(await keysOf('Made')).toMatchObject([
      { name: 'a', status: 'active', permissions: ['read'] },
      { name: 'b', status: 'disabled' },
    ]);
    const before = await writes();
    expect(await apply(platform)).toMatchObject({ exitCode: 0, stdout: 'Nothing to change.\n' });
    expect(await diff(platform)).toMatchObject({ exitCode: 0, stdout: 'Nothing to change.\n' });
    expect(await writes()).toEqual(before);
    await expect(stat(`${out}.pending`)).rejects.toThrow('ENOENT');
  });

  test('refuses to make keys whose secrets have nowhere to go, and to go on where nobody says yes', async () => {
    const platform = one('Refused', [{ name: 'a' }]);
    const before = await writes();
    expect(await apply(platform)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--secrets-out'),
    });
    const alone = ['apply', '-f', '-', '--secrets-out', secretsFile()];
    expect(await run(alone, { input: text(platform) })).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('repeat with --yes'),
    });
    expect(await run(alone, { input: text(platform), person: () => 'n' })).toMatchObject({ exitCode: 3 });
    const busy = join(home, 'notes.txt');
    await writeFile(busy, 'something else\n', { mode: 0o600 });
    expect(await apply(platform, '--secrets-out', busy)).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('something else than secrets'),
    });
    expect(await readFile(busy, 'utf8')).toBe('something else\n');
    const open = join(home, 'open.jsonl');
    await writeFile(open, '', { mode: 0o644 });
    expect(await apply(platform, '--secrets-out', open)).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('chmod 600'),
    });
    const theirs = join(home, 'theirs.jsonl');
    await writeFile(theirs, '', { mode: 0o600 });
    await expect(DurableLog.open(theirs, process.getuid!() + 1)).rejects.toThrow(
      `it belongs to another user (${process.getuid!()}), who may read it`,
    );
    for (const nowhere of ['/dev/null', home]) {
      expect(await apply(platform, '--secrets-out', nowhere)).toMatchObject({
        exitCode: 78,
        stderr: expect.stringContaining(`--secrets-out ${nowhere} is no file`),
      });
      await expect(stat(`${nowhere}.pending.lock`)).rejects.toThrow('ENOENT');
    }
    const held = join(home, 'held.jsonl');
    await writeFile(`${held}.pending.lock`, JSON.stringify({ pid: process.pid, startedBy: null }));
    expect(await apply(platform, '--secrets-out', held)).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('wait until it has ended'),
    });
    expect(await writes()).toEqual(before);
    await expect(stat(alone.at(-1)!)).rejects.toThrow('ENOENT'); // nothing was begun, and nothing is left
  });

  test('many keys, with much to say each, go in as many requests as the hub takes', async () => {
    const out = secretsFile();
    const permissions = Array.from({ length: 50 }, (_, index) => `${'x'.repeat(58)}${index}`);
    const keys = Array.from({ length: 55 }, (_, index) => ({
      name: `k${index}`,
      ...(index < 40 ? { permissions } : {}),
    }));
    expect(await apply(one('Much', keys), '--secrets-out', out)).toMatchObject({
      stdout: '57 created, 0 changed, 0 deleted.\n',
    });
    expect(new Set((await recordsIn(out)).map(({ key }) => key)).size).toBe(55);
  });

  test('leaves alone what the file does not mention: things, lists and fields', async () => {
    const tenantId = await tenant(hub.owner, 'Partly');
    const mine = await cluster(hub.owner, tenantId, ['north', 'south'], { settings: { a: 1 } });
    const [other] = [await cluster(hub.owner, tenantId, ['south'])];
    await agentKey(hub.owner, mine, { permissions: ['x'] });
    const { name } = (await hub.owner.get(`/v1/clusters/${mine}`)).body;
    const platform = { tenants: [{ name: 'Partly', clusters: [{ name, settings: { a: 2 } }] }] };
    const untouched = async () => [
      (await hub.owner.get(`/v1/clusters/${other}`)).body,
      await keysOf('Partly'),
      (await hub.owner.get(`/v1/clusters/${mine}`)).body.placements,
    ];
    const before = await untouched();
    expect(await apply(platform)).toMatchObject({
      exitCode: 0,
      stdout: '0 created, 1 changed, 0 deleted.\n',
    });
    expect((await hub.owner.get(`/v1/clusters/${mine}`)).body.settings).toEqual({ a: 2 });
    expect(await untouched()).toEqual(before);
  });

  test('--prune takes what is not in the lists, says which keys stop where, and not more than is allowed', async () => {
    const out = secretsFile();
    await apply(one('Pruned', [{ name: 'stays' }, { name: 'goes' }]), '--secrets-out', out);
    await apply({
      tenants: [{ name: 'Pruned', clusters: [{ name: 'old', upstreamUrl, placements: ['south'] }] }],
    });
    const [left] = (await keysOf('Pruned')).filter((key: { name: string }) => key.name === 'stays');
    const smaller = one('Pruned', [{ name: 'stays' }]);
    expect(await diff(smaller)).toMatchObject({ exitCode: 0 });
    expect(await diff(smaller, '--prune')).toMatchObject({
      exitCode: 2,
      stdout: expect.stringMatching(
        /- agent key Pruned\/orders\/goes[\s\S]*- cluster Pruned\/old[\s\S]*2 to delete[\s\S]*1 agent key stops working:\n {4}Pruned\/orders\/goes \(aki_\w+\) in north/,
      ),
    });
    expect(await apply(smaller, '--prune', '--max-deletions', '1')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('--max-deletions 2'),
    });
    expect(await keysOf('Pruned')).toHaveLength(2);
    expect(await apply(smaller, '--prune')).toMatchObject({
      exitCode: 0,
      stdout: '0 created, 0 changed, 2 deleted.\n',
    });
    expect(await keysOf('Pruned')).toEqual([left]);
    expect(await apply({ tenants: [{ name: 'Pruned' }] }, '--prune')).toMatchObject({ exitCode: 0 });
    expect(
      await run(['apply', '-f', '-', '--yes', '--prune'], { input: '# lost its template\n' }),
    ).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('stdin:1:1: there is nothing in it') });
    expect(await keysOf('Pruned')).toEqual([left]); // no list, so nothing to prune from
  });

  test('a disabled cluster, a placement that ends and a suspended tenant stop keys, and count', async () => {
    const keys = [{ name: 'k1' }, { name: 'k2' }];
    const placed = { placements: ['north', 'south'] };
    await apply(one('Stopped', keys, placed), '--secrets-out', secretsFile());
    const renamed = {
      tenants: [{ name: 'Stopped', clusters: [{ name: 'anew', upstreamUrl, placements: ['north'] }] }],
    };
    expect((await diff(renamed, '--prune')).stdout).toMatch(
      /cluster Stopped\/orders is deleted while another is made.*`id: vci_/,
    );
    for (const [change, regions] of [
      [one('Stopped', keys, { placements: ['north'] }), 'south'],
      [one('Stopped', keys, { status: 'disabled' }), 'north, south'],
      [{ tenants: [{ name: 'Stopped', status: 'suspended' }] }, 'north, south'],
    ] as const) {
      const said = await diff(change);
      expect(said.stdout).toContain('2 agent keys stop working:');
      expect(said.stdout).toMatch(new RegExp(`k2 \\(aki_\\w+\\) in ${regions}\n`));
      expect(said.stdout).toContain('within the budget of losses');
      expect(await apply(change, '--max-deletions', '1')).toMatchObject({ exitCode: 3 });
    }
  });

  test('an id names a thing, so that its name can change; a key that shares its name needs one', async () => {
    await apply(one('Named', [{ name: 'a' }]), '--secrets-out', secretsFile());
    const [key] = await keysOf('Named');
    const renamed = {
      tenants: [
        {
          name: 'Named anew',
          id: key.tenantId,
          clusters: [{ name: 'bills', id: key.clusterId, agentKeys: [{ name: 'b', id: key.id }] }],
        },
      ],
    };
    expect(await apply(renamed, '--prune')).toMatchObject({
      exitCode: 0,
      stdout: '0 created, 3 changed, 0 deleted.\n',
    });
    expect(await keysOf('Named anew')).toMatchObject([{ id: key.id, name: 'b' }]);
    await agentKey(hub.owner, key.clusterId, { name: 'b' });
    const byName = {
      tenants: [{ name: 'Named anew', clusters: [{ name: 'bills', agentKeys: [{ name: 'b' }] }] }],
    };
    expect(await diff(byName)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /stdin:\d+:\d+: 2 agent keys of the cluster are called "b": give the id of one/,
      ),
    });
  });

  test('a name that another has, two names that go round, and one thing meant twice are mistakes', async () => {
    await apply({ tenants: [{ name: 'Here' }, { name: 'There' }] });
    await apply({
      tenants: [
        {
          name: 'Here',
          clusters: ['a', 'b', 'c'].map((name) => ({ name, upstreamUrl, placements: ['north'] })),
        },
      ],
    });
    const { items } = (await hub.owner.get('/v1/tenants?limit=200')).body;
    const idOf = (name: string) => items.find((each: { name: string }) => each.name === name).id;
    const [here, there] = [idOf('Here'), idOf('There')];
    const clusters = (await hub.owner.get(`/v1/clusters?tenantId=${here}`)).body.items;
    const [a, b] = ['a', 'b'].map((name) => clusters.find((each: { name: string }) => each.name === name).id);
    const before = await writes();
    const refusedWith = async (tenants: object[]) => {
      const { exitCode, stderr } = await apply({ tenants });
      expect(exitCode).toBe(1);
      return stderr;
    };
    expect(await refusedWith([{ name: 'There', id: here }])).toContain(
      `another tenant is called "There" already (${there})`,
    );
    const swapped = [
      { name: 'There', id: here },
      { name: 'Here', id: there },
    ];
    expect(await refusedWith(swapped)).toContain('names cannot go round in one apply: "There" is free only');
    expect(await refusedWith([{ name: 'Here' }, { name: 'Elsewhere', id: here }])).toMatch(
      new RegExp(`stdin:4:5: ${here} is meant at stdin:3:5 already`),
    );
    const inHere = (...named: object[]) => [{ name: 'Here', clusters: named }];
    expect(await refusedWith(inHere({ name: 'c', id: a }))).toContain(
      'another cluster is called "c" already',
    );
    expect(await refusedWith(inHere({ name: 'd', id: a }, { name: 'a' }))).toContain(`${a} is meant at`);
    expect(await writes()).toEqual(before);
    // Who gives a name away makes room, in the same apply; so does who goes.
    const moved = inHere({ name: 'b', id: a }, { name: 'c', id: b });
    const pruned = await run(['apply', '-f', '-', '--yes', '--prune'], { input: text({ tenants: moved }) });
    expect(pruned, pruned.stderr).toMatchObject({
      exitCode: 0,
      stdout: '0 created, 2 changed, 1 deleted.\n',
    });
    expect(await diff({ tenants: inHere({ name: 'b' }, { name: 'c' }) }, '--prune')).toMatchObject({
      stdout: 'Nothing to change.\n',
    });
  });

  test('what cannot be done is named with its place, all of it, before anything is done', async () => {
    const before = await writes();
    const refused = await apply({
      regions: [{ id: 'east' }],
      tenants: [
        {
          name: 'Wrong',
          clusters: [
            { name: 'a', placements: ['nowhere'] },
            { name: 'b', id: `vci_${'0'.repeat(26)}` },
            { name: 'c', agentKeys: [{ name: 'k', expiresAt: '2020-01-01T00:00:00Z' }] },
          ],
        },
      ],
    });
    expect(refused.exitCode).toBe(1);
    for (const words of [
      'stdin:3:5: there is no region east yet: to make it, say where its store is',
      'there is no region nowhere; there are: north, south, east',
      'there is no cluster "a" yet: to make it, give upstreamUrl',
      `there is no cluster vci_${'0'.repeat(26)}`,
      'expiresAt: 2020-01-01T00:00:00.000Z has passed',
    ])
      expect(refused.stderr).toContain(words);
    expect(await writes()).toEqual(before);
  });

  test("a tenant's own key is enough for its clusters and keys, and for no other tenant's", async () => {
    const [own] = [await tenant(hub.owner, 'Own'), await tenant(hub.owner, 'Other')];
    const { secret } = await applicationKey(hub.owner, { role: 'admin', tenantId: own });
    const environment = { SPOKECAST_HUB_URL: hub.url, SPOKECAST_APPLICATION_KEY: secret };
    const asTenant = (platform: object) =>
      runCli(environment, ['apply', '-f', '-', '--yes', '--secrets-out', secretsFile()], {
        input: text(platform),
      });
    expect(await asTenant(one('Own', [{ name: 'a' }]))).toMatchObject({
      exitCode: 0,
      stdout: '2 created, 0 changed, 0 deleted.\n',
    });
    const refused = await asTenant(one('Other', [{ name: 'a' }]));
    expect(refused).toMatchObject({
      exitCode: 77,
      stderr: expect.stringContaining('stdin:3:5: tenant Other: FORBIDDEN'),
    });
    expect(refused.stderr).toContain('0 changes were made, 3 are left');
    expect(await keysOf('Other')).toEqual([]);
  });

  test('regions are made, drained and left', async () => {
    const store = { endpoint: 'http://127.0.0.1:1/west', table: 'spokecast-test-west' };
    const regions = [{ id: 'west', store, status: 'active' }];
    expect(await apply({ regions })).toMatchObject({ stdout: '1 created, 0 changed, 0 deleted.\n' });
    expect(await apply({ regions })).toMatchObject({ stdout: 'Nothing to change.\n' }); // it is still seeding
    expect(await apply({ regions: [{ id: 'west', status: 'draining' }] })).toMatchObject({ exitCode: 0 });
    expect((await hub.owner.get('/v1/regions/west')).body).toMatchObject({ status: 'draining', store });
  });
});

describe('quotas and residency', () => {
  const tenantOf = async (name: string) =>
    (await hub.owner.get(`/v1/tenants?name=${encodeURIComponent(name)}`)).body.items[0];
  const of = (name: string, bounds: object, clusters?: object) => ({
    tenants: [
      {
        ...{ name, ...bounds },
        ...(clusters
          ? {
              clusters: Object.entries(clusters).map(([each, placements]) => ({
                ...{ name: each, upstreamUrl, placements },
              })),
            }
          : {}),
      },
    ],
  });
  const unchanged = async (platform: object) => {
    const before = await writes();
    expect(await apply(platform)).toMatchObject({ exitCode: 0, stdout: 'Nothing to change.\n' });
    expect(await writes()).toEqual(before);
  };

  test('are made, told, changed field by field, taken away, and the same again changes nothing', async () => {
    const bounds = { quotas: { clusters: 2, regions: 1 }, allowedRegions: ['south', 'north'] };
    const made = of('Bound', bounds, { orders: ['north'] });
    expect((await diff(made)).stdout).toMatch(
      /\nBound: clusters may be placed in north, south only.*\.\nBound: at most 2 clusters, and it has 1 then\.\nBound: at most 1 region, and it has 1 then: there is no room for another\.\n/,
    );
    expect(await apply(made)).toMatchObject({ exitCode: 0 });
    const hubs = { allowedRegions: ['north', 'south'] };
    expect(await tenantOf('Bound')).toMatchObject({
      quotas: { clusters: 2, agentKeys: null, regions: 1 },
      ...hubs,
    });
    await unchanged(made);
    await unchanged(of('Bound', {}));
    await unchanged(of('Bound', { quotas: { clusters: 2 } }));

    const lower = of('Bound', { quotas: { clusters: 0, agentKeys: 5 } });
    const said = await diff(lower);
    expect(said.stdout).toContain('quotas.clusters: 2 -> 0\n    quotas.agentKeys: none -> 5');
    expect(said.stdout).toContain(
      'Bound: at most 0 clusters, and it has 1 then: nothing is taken away, and none can be added until there are fewer than 0.',
    );
    expect(await apply(lower)).toMatchObject({ stdout: '0 created, 1 changed, 0 deleted.\n' });
    expect((await tenantOf('Bound')).quotas).toEqual({ clusters: 0, agentKeys: 5, regions: 1 });
    await unchanged(lower);

    const free = of('Bound', { quotas: null, allowedRegions: null });
    expect((await diff(free)).stdout).toMatch(
      /clusters may be placed in any region.*\nBound: any number of clusters\.\nBound: any number of agent keys\.\nBound: any number of regions\./,
    );
    expect(await apply(free)).toMatchObject({ exitCode: 0 });
    expect(await tenantOf('Bound')).toMatchObject({
      quotas: { clusters: null, agentKeys: null, regions: null },
      allowedRegions: null,
    });
    await unchanged(free);
    expect((await run(['export', '--tenant', 'Bound'])).stdout).toContain(
      'quotas: null\n    allowedRegions: null\n',
    );
  });

  test('a residency opens before clusters move and closes behind them; a program is told the same', async () => {
    await apply(of('Moving', { allowedRegions: ['north'] }, { a: ['north'], b: ['north'] }));
    const moved = of('Moving', { allowedRegions: ['south'] }, { a: ['south'], b: ['south'] });
    const { meaning } = JSON.parse((await diff(moved, '--json')).stdout);
    expect(meaning.bounds).toEqual([
      {
        tenant: 'Moving',
        residency: { only: ['south'], closed: expect.arrayContaining(['north']), opened: ['south'] },
        quotas: [],
      },
    ]);
    expect((await diff(moved)).stdout).toContain(
      'Moving: clusters may be placed in south only; no cluster can be placed in north any more; new: south.',
    );
    expect(await apply(moved)).toMatchObject({ stdout: '0 created, 3 changed, 0 deleted.\n' });
    const { id, allowedRegions } = await tenantOf('Moving');
    expect(allowedRegions).toEqual(['south']);
    const steps = await sql`select after -> 'allowedRegions' as regions from audit_log
      where resource_id = ${id} and action = 'tenant.update' order by id`;
    expect(steps.map(({ regions }) => regions)).toEqual([['north', 'south'], ['south']]);
    await unchanged(moved);
    // Nothing of it is widened where nothing needs the room.
    await apply(of('Moving', { allowedRegions: ['north', 'south'] }));
    await apply(of('Moving', { allowedRegions: ['south'] }));
    expect(
      (await sql`select from audit_log where resource_id = ${id} and action = 'tenant.update'`).length,
    ).toBe(4);
  });

  test('what would be outside is named with its place, in the files or only at the hub, and nothing is changed', async () => {
    await apply(of('Outside', {}, { a: ['north'], b: ['north', 'south'], c: ['south'] }));
    const before = await writes();
    const refused = await diff(of('Outside', { allowedRegions: ['south'] }, { a: ['south'], d: ['north'] }));
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /stdin:\d+:\d+: clusters of "Outside" may be placed in south only \(stdin:4:5\), and not in north\n/,
    );
    expect(refused.stderr).toContain(
      'stdin:4:5: leaves out north, where "b" of "Outside" would still be: place them elsewhere',
    );
    const unknown = of('Outside', { allowedRegions: ['norht', 'north', 'south'] });
    expect(await apply(unknown)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('stdin:4:5: there is no region norht; there are: north'),
    });
    expect(await writes()).toEqual(before);
    // As the hub has it: the file says nothing of it.
    await apply(of('Outside', { allowedRegions: ['north', 'south'] }));
    await region(hub.owner, 'away');
    expect(await diff(of('Outside', {}, { a: ['away'] }))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(
        'clusters of "Outside" may be placed in north, south only, as the hub has it, and not in away',
      ),
    });
  });

  test('a plan that ends beyond a quota is a mistake; one that only passes it deletes first', async () => {
    await apply(of('Full', { quotas: { clusters: 2, agentKeys: 1 } }, { a: ['north'], b: ['north'] }));
    const before = await writes();
    expect(await diff(of('Full', {}, { c: ['north'] }))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"Full" would have 3 clusters, and may have 2, as the hub has it'),
    });
    const keys = (...names: string[]) => ({
      tenants: [{ name: 'Full', clusters: [{ name: 'a', agentKeys: names.map((name) => ({ name })) }] }],
    });
    expect((await diff(keys('1', '2'))).stderr).toContain('"Full" would have 2 agent keys, and may have 1');
    expect(await writes()).toEqual(before);
    const raised = of('Full', { quotas: { clusters: 3 } }, { c: ['north'] });
    expect(await apply(raised)).toMatchObject({ stdout: '1 created, 1 changed, 0 deleted.\n' });

    await apply(keys('1'), '--secrets-out', secretsFile());
    const other = of('Full', { quotas: { clusters: 2 } }, { a: ['north'], d: ['north'] });
    Object.assign(other.tenants[0]!.clusters![0]!, { agentKeys: [{ name: '2' }] });
    expect((await diff(other, '--prune')).stdout).toContain(
      '3 of what is deleted goes before the new is made: a quota has no room for both.',
    );
    const replaced = await apply(other, '--prune', '--secrets-out', secretsFile());
    expect(replaced, replaced.stderr).toMatchObject({ stdout: '2 created, 1 changed, 3 deleted.\n' });
    expect((await keysOf('Full')).map((key: { name: string }) => key.name)).toEqual(['2']);
    expect((await tenantOf('Full')).quotas.clusters).toBe(2);
  });

  test('a cluster that is pruned is in the way of no residency', async () => {
    await apply(of('Shrinking', {}, { a: ['north'], b: ['south'] }));
    const smaller = of('Shrinking', { allowedRegions: ['north'] }, { a: ['north'] });
    expect(await diff(smaller)).toMatchObject({ exitCode: 1 });
    const applied = await apply(smaller, '--prune');
    expect(applied, applied.stderr).toMatchObject({ stdout: '0 created, 1 changed, 1 deleted.\n' });
  });

  test('others at the same bounds: the plan is made again, and several runs at once agree', async () => {
    await apply(of('Contended', { allowedRegions: ['north'] }, { a: ['north'] }));
    const { id } = await tenantOf('Contended');
    const moved = of('Contended', { allowedRegions: ['south'] }, { a: ['south'] });
    // The room is not made, because the tenant is another by now: the cluster has to wait for it.
    const person = async () => {
      await hub.owner.patch(`/v1/tenants/${id}`, { quotas: { clusters: 50 } });
      return 'y';
    };
    const ran = await run(['apply', '-f', '-'], { input: text(moved), person });
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0, stdout: '0 created, 2 changed, 0 deleted.\n' });
    const back = of('Contended', { allowedRegions: ['north'] }, { a: ['north'] });
    const runs = await Promise.all([1, 2, 3].map(() => apply(back)));
    expect(runs.map(({ exitCode, stderr }) => [exitCode, stderr.match(/spokecast: .*/)?.[0]])).toEqual(
      runs.map(() => [0, undefined]),
    );
    expect(await tenantOf('Contended')).toMatchObject({
      allowedRegions: ['north'],
      quotas: { clusters: 50 },
    });
  });

  test('a cluster that somebody places outside meanwhile makes the plan anew, which says what is done', async () => {
    const made = of('Entered', {}, { a: ['north'] });
    await apply(made);
    const { id: tenantId } = await tenantOf('Entered');
    const person = async () => {
      await cluster(hub.owner, tenantId, ['south'], { name: 'theirs' });
      return 'y';
    };
    const narrowed = of('Entered', { allowedRegions: ['north'] }, { a: ['north'], b: ['north'] });
    const ran = await run(['apply', '-f', '-'], { input: text(narrowed), person });
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain('leaves out south, where "theirs" of "Entered" would still be');
    expect(ran.stderr).toContain('Nothing was changed but the 1 thing that was done before');
    expect((await tenantOf('Entered')).allowedRegions).toBeNull();
  });
});

describe('others at the same time', () => {
  test('several runs at once make each thing once, and every secret that was kept works', async () => {
    const platform = one('Raced', [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    const outs = [secretsFile(), secretsFile(), secretsFile()];
    const runs = await Promise.all(outs.map((out) => apply(platform, '--secrets-out', out)));
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    const kept = (await Promise.all(outs.map((out) => readFile(out, 'utf8').catch(() => ''))))
      .flatMap((lines) => lines.split('\n').filter(Boolean))
      .map((line) => JSON.parse(line));
    expect(kept.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c']);
    for (const { keyId, secret } of kept) expect(await secretWorks(keyId, secret)).toBe(true);
    expect(await keysOf('Raced')).toHaveLength(3);
  });

  test('what was changed while a person thought is planned again, not overwritten', async () => {
    await apply(one('Thinking'));
    const [{ id }] = (await hub.owner.get('/v1/clusters?limit=200')).body.items
      .filter(({ name }: { name: string }) => name === 'orders')
      .slice(-1);
    const person = async () => {
      await hub.owner.patch(`/v1/clusters/${id}`, { upstreamUrl: 'http://theirs.example' });
      return 'y';
    };
    const input = text({
      tenants: [{ name: 'Thinking', clusters: [{ name: 'orders', settings: { tier: 1 } }] }],
    });
    const ran = await run(['apply', '-f', '-'], { input, person });
    expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('planned again') });
    expect((await hub.owner.get(`/v1/clusters/${id}`)).body).toMatchObject({
      upstreamUrl: 'http://theirs.example',
      settings: { tier: 1 },
    });
  });
});

test('answers that are lost on the way cost nothing: each thing is made once, and its secret works', async () => {
  await using proxy = await HttpProxy.start(hub.url);
  const through = (platform: object, ...flags: string[]) =>
    run(['apply', '-f', '-', '--yes', '--hub', proxy.url, ...flags], { input: text(platform) });
  const lost = proxy.loseAnswer({ where: ({ method }) => method === 'POST', times: 3 });
  const out = secretsFile();
  const made = await through(one('Lost', [{ name: 'a' }, { name: 'b' }]), '--secrets-out', out);
  expect(made).toMatchObject({ exitCode: 0, stdout: '4 created, 0 changed, 0 deleted.\n' });
  expect(lost.hits).toBe(3); // the tenant's, the cluster's, the keys'
  const keys = await keysOf('Lost');
  expect(keys).toHaveLength(2);
  const records = await recordsIn(out);
  expect(records.map(({ keyId }) => keyId).sort()).toEqual(keys.map(({ id }: { id: string }) => id).sort());
  for (const { keyId, secret } of records) expect(await secretWorks(keyId, secret)).toBe(true);

  const changed = proxy.loseAnswer({ where: ({ method }) => method === 'PATCH', times: 1 });
  expect(await through(one('Lost', [], { settings: { a: 1 } }))).toMatchObject({ exitCode: 0 });
  expect(changed.hits).toBe(1);
  expect(await diff(one('Lost', [], { settings: { a: 1 } }))).toMatchObject({ exitCode: 0 });
});

test('asked to end, a run ends after the requests under way, tells all that is done, and the next goes on', async () => {
  const tenants = Array.from({ length: 40 }, (_, index) => ({ name: `Ended ${index}` }));
  const desired = readDesired([{ name: 'x', text: text({ tenants }) }]);
  const client = new HubClient({ url: hub.url, applicationKey: hub.owner.secret! });
  const changes = planChanges(desired, await readState(client, desired, false), {
    ...{ prune: false, nowMs: systemClock.now() },
  });
  const ending = new AbortController();
  const runner = new Runner({
    ...{ hub: client, clock: systemClock, secrets: undefined, signal: ending.signal },
    progress: () => ending.abort(),
  });
  await expect(runner.run(changes)).rejects.toThrow(Interrupted);
  const { items } = (await hub.owner.get('/v1/tenants?limit=200')).body;
  const there = items.filter(({ name }: { name: string }) => name.startsWith('Ended '));
  expect(runner.progress.done).toHaveLength(there.length);
  expect(there.length).toBeGreaterThan(0);
  expect(there.length).toBeLessThan(40);
  expect(await apply({ tenants })).toMatchObject({
    stdout: `${40 - there.length} created, 0 changed, 0 deleted.\n`,
  });
});

test('--wait says what is not seen everywhere in time: 75', async () => {
  expect(await apply(one('Waiting'), '--wait', '0')).toMatchObject({
    exitCode: 75, // no publisher runs here
    stderr: expect.stringContaining('1 of 2 changes are not seen everywhere yet'),
  });
});

describe('secrets that were made and not kept', () => {
  test('are made again by the next run, for a command that did not take them', async () => {
    const platform = one('Untaken', [{ name: 'a' }]);
    const failed = await apply(platform, '--secrets-command', 'exit 7');
    expect(failed).toMatchObject({ exitCode: 78, stderr: expect.stringContaining('ended with 7') });
    const taken = join(home, 'taken');
    const again = await apply(platform, '--secrets-command', `cat > ${taken}`);
    expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('given new secrets') });
    const [{ keyId, secret }] = await recordsIn(taken);
    expect(await secretWorks(keyId, secret)).toBe(true);
    expect(await keysOf('Untaken')).toMatchObject([{ id: keyId }]);
    expect(await apply(platform, '--secrets-command', 'exit 7')).toMatchObject({
      exitCode: 0,
      stdout: 'Nothing to change.\n',
    });
  });

  test('nor by a crash between the answer and the file: only those whose secret is nowhere get another', async () => {
    const out = secretsFile();
    const platform = one('Crashed', [{ name: 'kept' }]);
    await apply(platform, '--secrets-out', out);
    const [kept] = await recordsIn(out);
    // What a run leaves that was killed when the hub had answered: a note, half of another, and a lock.
    const body = { keys: [{ name: 'lost' }] };
    await hub.owner.send('POST', `/v1/clusters/${kept.clusterId}/agent-keys`, {
      body,
      headers: { 'idempotency-key': 'crashed' },
    });
    const note = {
      request: 'crashed',
      tenant: 'Crashed',
      cluster: 'orders',
      clusterId: kept.clusterId,
      body,
    };
    await writeFile(`${out}.pending`, `${JSON.stringify(note)}\n{"request":"ha`, { mode: 0o600 });
    await writeFile(`${out}.pending.lock`, JSON.stringify({ pid: 2 ** 22 + 1, startedBy: null }));
    await writeFile(out, `${await readFile(out, 'utf8')}{"tenant":"ha`);
    const both = one('Crashed', [{ name: 'kept' }, { name: 'lost' }]);
    expect(await apply(both, '--secrets-out', out)).toMatchObject({ exitCode: 0 });
    const lines = (await readFile(out, 'utf8')).trim().split('\n');
    expect(JSON.parse(lines[0]!)).toEqual(kept);
    expect(await secretWorks(kept.keyId, kept.secret)).toBe(true);
    const last = JSON.parse(lines.at(-1)!);
    expect(last.key).toBe('lost');
    expect(await secretWorks(last.keyId, last.secret)).toBe(true);
    expect(await keysOf('Crashed')).toHaveLength(2);
    const before = await writes();
    expect(await apply(both, '--secrets-out', out)).toMatchObject({ stdout: 'Nothing to change.\n' });
    expect(await writes()).toEqual(before);
  });
});

test('keys that the hub is still making for a run that was killed are waited for, and get secrets', async () => {
  const [out, platform] = [secretsFile(), one('Slow', [{ name: 'late' }])];
  await apply(one('Slow'));
  const [{ id: clusterId }] = (await hub.owner.get('/v1/clusters?limit=200')).body.items.slice(-1);
  const watching = postgres(hub.databaseUrl, { max: 1 });
  const [locked, release] = [new Gate(), new Gate()];
  const lock = sql.begin(async (tx) => {
    await tx`select from clusters where id = ${clusterId} for update`;
    await locked.pass();
    await release.pass();
  });
  locked.open();
  await locked.reached();
  const body = { keys: [{ name: 'late' }] };
  const path = `/v1/clusters/${clusterId}/agent-keys`;
  const making = hub.owner.send('POST', path, { body, headers: { 'idempotency-key': 'slow' } });
  const waiting = async () =>
    (
      await watching`select count(*)::int from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
    )[0]!.count;
  await expect.poll(waiting).toBe(1);
  const note = { request: 'slow', tenant: 'Slow', cluster: 'orders', clusterId, body };
  await writeFile(`${out}.pending`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await using proxy = await HttpProxy.start(hub.url);
  proxy.use(
    { where: ({ method, path }) => method === 'POST' && path.endsWith('/agent-keys') },
    (_, forward) => {
      release.open(); // whatever asks for keys: now the hub goes on with those of the killed run
      return forward();
    },
  );
  const args = ['apply', '-f', '-', '--yes', '--hub', proxy.url, '--secrets-out', out];
  const applied = await run(args, { input: text(platform) });
  await Promise.all([lock, making, watching.end()]);
  expect(applied, applied.stderr).toMatchObject({ exitCode: 0 });
  const [key, ...others] = await keysOf('Slow');
  expect(others).toEqual([]);
  const last = (await recordsIn(out)).at(-1);
  expect(last.keyId).toBe(key.id);
  expect(await secretWorks(key.id, last.secret)).toBe(true);
});

test('a note of keys that were never made, and cannot be any more, holds nobody up', async () => {
  const out = secretsFile();
  await apply(one('Noted', [{ name: 'k' }]), '--secrets-out', out);
  const [{ clusterId, keyId, secret }] = await recordsIn(out);
  await agentKey(hub.owner, clusterId, { name: 'theirs' });
  const keys = [{ name: 'theirs', expiresAt: '2020-01-01T00:00:00Z' }];
  const note = { request: 'late', tenant: 'Noted', cluster: 'orders', clusterId, body: { keys } };
  await writeFile(`${out}.pending`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  expect(await apply(one('Noted', [{ name: 'k' }]), '--secrets-out', out)).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(
      /Noted\/orders: an earlier run may have made aki_\w+ .*agent-keys rotate <id>/,
    ),
  });
  await expect(stat(`${out}.pending`)).rejects.toThrow('ENOENT');
  expect(await secretWorks(keyId, secret)).toBe(true);
});

describe('a process that is ended in the middle', () => {
  const clusters = Array.from({ length: 16 }, (_, index) => ({
    name: `c${index}`,
    upstreamUrl,
    placements: ['north'],
    agentKeys: [{ name: 'a' }, { name: 'b' }],
  }));
  const start = (url: string, name: string, out: string) =>
    new CliProcess(
      { SPOKECAST_HUB_URL: url, SPOKECAST_APPLICATION_KEY: hub.owner.secret!, HOME: home },
      ['apply', '-f', '-', '--yes', '--secrets-out', out],
      text({ tenants: [{ name, clusters }] }),
    );
  /** Requests for keys, from the fourth on. */
  const laterKeys = () => {
    let keys = 0;
    return ({ method, path }: { method: string; path: string }) =>
      method === 'POST' && path.endsWith('/agent-keys') && ++keys > 3;
  };
  /** The file's secrets by the ids of their keys, the last of each; that it is whole, and nobody else's to read. */
  const secretsIn = async (out: string) => {
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const records = await recordsIn(out);
    return new Map<string, string>(records.map(({ keyId, secret }) => [keyId, secret]));
  };
  const goesOn = async (name: string, out: string) => {
    const again = await apply({ tenants: [{ name, clusters }] }, '--secrets-out', out);
    expect(again, again.stderr).toMatchObject({ exitCode: 0 });
    const keys = await keysOf(name);
    const named = keys.map((key: { clusterId: string; name: string }) => `${key.clusterId} ${key.name}`);
    expect(new Set(named).size).toBe(32);
    expect(keys).toHaveLength(32);
    const secrets = await secretsIn(out);
    expect([...secrets.keys()].sort()).toEqual(keys.map(({ id }: { id: string }) => id).sort());
    for (const [id, secret] of secrets) expect(await secretWorks(id, secret)).toBe(true);
    for (const left of ['.pending', '.pending.lock'])
      await expect(stat(`${out}${left}`)).rejects.toThrow('ENOENT');
    return again;
  };

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: the requests under way are waited for, every secret is kept, and the same command goes on',
    async (signal) => {
      await using proxy = await HttpProxy.start(hub.url);
      const held = proxy.hold({ where: laterKeys() });
      const [name, out] = [`Ended by ${signal}`, secretsFile()];
      await using process = start(proxy.url, name, out);
      await held.gate.reached();
      process.kill(signal);
      await process.says('Ending after the requests under way. Again ends at once.');
      held.gate.open();
      const { exitCode, stdout, stderr } = await process.ended();
      const made = (await secretsIn(out)).size;
      expect(made).toBe((await keysOf(name)).length);
      expect(made).toBeGreaterThan(0);
      expect(made).toBeLessThan(32);
      expect(stderr).toContain(
        `spokecast: Ended. ${17 + made} changes were made, ${32 - made} are left. The same command again goes on from here.\n`,
      );
      expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
      expect(stderr).not.toContain('spk_');
      expect(await goesOn(name, out)).toMatchObject({
        stdout: `${32 - made} created, 0 changed, 0 deleted.\n`,
      });
    },
  );

  test('before anything was done it ends at once, and leaves nothing behind', async () => {
    await using proxy = await HttpProxy.start(hub.url);
    const held = proxy.hold({ where: ({ path }) => path.startsWith('/v1/regions') });
    const out = secretsFile();
    await using process = start(proxy.url, 'Never begun', out);
    await held.gate.reached();
    process.kill('SIGINT');
    expect(await process.ended()).toMatchObject({
      exitCode: 130,
      stderr: 'spokecast: Ended. Nothing was changed.\n',
    });
    for (const left of ['', '.pending', '.pending.lock'])
      await expect(stat(`${out}${left}`)).rejects.toThrow('ENOENT');
  });

  test('kill -9 while the hub has made keys and the answer is on its way: they are given new secrets', async () => {
    await using proxy = await HttpProxy.start(hub.url);
    const gate = new Gate();
    const lost = proxy.use({ where: laterKeys() }, async (_request, forward) => {
      await forward();
      await gate.pass();
      return 'drop';
    });
    const [name, out] = ['Killed', secretsFile()];
    await using process = start(proxy.url, name, out);
    await gate.reached();
    const linesKept = async () => (await readFile(out, 'utf8')).split('\n').length - 1;
    await expect.poll(linesKept, { timeout: 30_000 }).toBe(6); // of the three requests that were answered
    process.kill('SIGKILL');
    expect(await process.ended()).toMatchObject({ exitCode: 137 });
    gate.open();
    await expect.poll(() => lost.finished, { timeout: 30_000 }).toBe(lost.hits);
    const [kept, made] = [await secretsIn(out), await keysOf(name)];
    expect(made.length).toBeGreaterThan(kept.size); // there are keys whose secret is nowhere
    const again = await goesOn(name, out);
    expect(again.stderr).toContain('2 agent keys that an earlier run had made were given new secrets.');
    const now = await secretsIn(out);
    for (const [id, secret] of kept) expect(now.get(id)).toBe(secret); // what was kept goes on working
  });
});

describe('export', () => {
  test('names the schema where this hub serves it, for editors, in YAML and in JSON', async () => {
    const url = `${hub.url}/platform.schema.json`;
    const [yaml, json] = [await run(['export']), await run(['export', '--json'])];
    expect(yaml.stdout.split('\n')[0]).toBe(`# yaml-language-server: $schema=${url}`);
    expect(JSON.parse(json.stdout).$schema).toBe(url);
    const { $schema: _, ...schema } = (await (await fetch(url)).json()) as Record<string, unknown>;
    const isValid = new Ajv({ strict: false, formats: { 'date-time': true, uri: true } }).compile(schema);
    for (const exported of [parse(yaml.stdout), JSON.parse(json.stdout)])
      expect(isValid(exported), JSON.stringify(isValid.errors)).toBe(true);
  });

  test('writes what apply reads back without a change, whatever the platform', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTenant(['north', 'south']), { minLength: 1, maxLength: 3 }),
        async (made) => {
          const tenants = made.map((each) => ({ ...each, name: `${each.name} ${++files}` }));
          const applied = await apply({ tenants }, '--secrets-out', secretsFile());
          expect(applied.stderr + applied.stdout).toContain('created');
          const names = tenants.flatMap(({ name }) => ['--tenant', name.normalize('NFC').trim()]);
          const before = await writes();
          for (const flags of [[], ['--ids'], ['--json']]) {
            const exported = await run(['export', ...names, ...flags]);
            expect(exported.exitCode, exported.stderr).toBe(0);
            const again = await run(['diff', '-f', '-', '--prune'], { input: exported.stdout });
            expect(again, exported.stdout).toMatchObject({ exitCode: 0, stdout: 'Nothing to change.\n' });
          }
          expect(await diff({ tenants }, '--prune')).toMatchObject({ exitCode: 0 });
          expect(await writes()).toEqual(before);
        },
      ),
      { numRuns: 4 },
    );
  });
});
