import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
let tenant: string;
beforeAll(async () => {
  hub = await startHub();
  for (const id of ['north', 'south', 'west']) await make.region(hub.owner, id);
  tenant = await make.tenant(hub.owner, 'Acme');
});
afterAll(() => hub[Symbol.asyncDispose]());

/** The revision of the cluster's head: it moves exactly when its contexts may differ. */
async function revisionOf(cluster: string): Promise<number> {
  return (await hub.owner.get(`/v1/contexts/cluster/${cluster}`)).body.head.revision;
}

describe('clusters', () => {
  test('are created, read, changed and deleted with their keys', async () => {
    const placements = [
      { region: 'south', overrides: { upstreamUrl: 'http://south.example' } },
      { region: 'north' },
    ];
    const body = {
      tenantId: tenant,
      name: 'orders',
      upstreamUrl: 'https://up.example/base',
      settings: { tier: 'gold' },
      placements,
    };
    const created = await hub.owner.post('/v1/clusters', body);
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      ...body,
      status: 'active',
      placements: [placements[1], placements[0]],
    });

    const path = `/v1/clusters/${created.body.id}`;
    expect((await hub.owner.get(path)).body).toEqual(created.body);
    const key = await make.agentKey(hub.owner, created.body.id);

    const disabled = await hub.owner.patch(path, {
      status: 'disabled',
      settings: {},
      upstreamUrl: 'http://other.example:81',
    });
    expect(disabled.body).toMatchObject({
      status: 'disabled',
      settings: {},
      upstreamUrl: 'http://other.example:81',
      name: 'orders',
    });

    expect((await hub.owner.delete(path)).status).toBe(204);
    expect((await hub.owner.get(path)).status).toBe(404);
    expect((await hub.owner.get(`/v1/agent-keys/${key.id}`)).status).toBe(404);
  });

  test('have a list of upstreams, with what is not said filled in, and null takes it away', async () => {
    const [one, other] = ['https://a.example', 'https://b.example/base'];
    const created = await hub.owner.post('/v1/clusters', {
      tenantId: tenant,
      name: 'listed',
      upstreamUrl: one,
      upstreams: [{ url: one }, { url: other, priority: 1, weight: 7 }],
      placements: [{ region: 'north', overrides: { upstreams: [{ url: other }] } }, { region: 'south' }],
    });
    expect(created.body).toMatchObject({
      upstreamUrl: one,
      upstreams: [
        { url: one, priority: 0, weight: 1 },
        { url: other, priority: 1, weight: 7 },
      ],
      placements: [
        { region: 'north', overrides: { upstreams: [{ url: other, priority: 0, weight: 1 }] } },
        { region: 'south' },
      ],
    });
    const path = `/v1/clusters/${created.body.id}`;
    const before = await revisionOf(created.body.id);
    await hub.owner.patch(path, { upstreams: created.body.upstreams });
    expect(await revisionOf(created.body.id)).toBe(before);
    expect((await hub.owner.patch(path, { upstreams: null })).body.upstreams).toBe(null);
    expect(await revisionOf(created.body.id)).toBeGreaterThan(before);
  });

  test.each([
    'http://169.254.169.254/latest',
    'http://169.254.169.254.',
    'http://2852039166',
    'http://0xa9.0xfe.0xa9.0xfe',
    'http://0251.0376.0251.0376',
    'http://169.254.43518',
    'https://[::ffff:169.254.169.254]',
    'http://[::ffff:a9fe:a9fe]:8080',
    'http://[fe80::1]',
    'http://[fd00:ec2::254]',
    'http://0',
    'http://[::]',
  ])('have no upstream where gateways connect to none: %s', async (bad) => {
    const good = 'http://up.example';
    const body = { tenantId: tenant, name: 'bad', upstreamUrl: good, placements: [{ region: 'north' }] };
    const overridden = (overrides: object) => ({ placements: [{ region: 'north', overrides }] });
    for (const [change, pointer] of [
      [{ upstreamUrl: bad }, '/upstreamUrl'],
      [{ upstreams: [{ url: good }, { url: bad }] }, '/upstreams/1/url'],
      [overridden({ upstreamUrl: bad }), '/placements/0/overrides/upstreamUrl'],
      [overridden({ upstreams: [{ url: bad }] }), '/placements/0/overrides/upstreams/0/url'],
    ] as const) {
      const refused = await hub.owner.post('/v1/clusters', { ...body, ...change });
      expect([refused.status, refused.body.errors.map((each: { pointer: string }) => each.pointer)]).toEqual([
        400,
        [pointer],
      ]);
    }
  });

  test('keep the upstream that they had before gateways refused it, as long as nobody writes it anew', async () => {
    const cluster = await make.cluster(hub.owner, tenant, ['north'], { name: 'old' });
    const path = `/v1/clusters/${cluster}`;
    const upstreamUrl = 'http://169.254.169.254/';
    const sql = postgres(hub.databaseUrl, { max: 1 });
    await sql`update clusters set upstream_url = ${upstreamUrl} where id = ${cluster}`;
    await sql.end();
    expect((await hub.owner.get(path)).body).toMatchObject({ upstreamUrl });
    expect(await hub.owner.patch(path, { name: 'renamed' })).toMatchObject({
      status: 200,
      body: { name: 'renamed', upstreamUrl },
    });
    expect((await hub.owner.patch(path, { upstreamUrl })).status).toBe(400);
    expect((await hub.owner.patch(path, { upstreamUrl: 'http://127.0.0.1:9/' })).status).toBe(200);
  });

  test('have names that are unique within their tenant only', async () => {
    const other = await make.tenant(hub.owner);
    await make.cluster(hub.owner, tenant, ['north'], { name: 'same' });
    await make.cluster(hub.owner, other, ['north'], { name: 'same' });
    const body = {
      tenantId: tenant,
      name: 'same',
      upstreamUrl: 'http://up.example',
      placements: [{ region: 'north' }],
    };
    expect((await hub.owner.post('/v1/clusters', body)).body).toMatchObject({
      code: 'NAME_TAKEN',
      errors: [{ pointer: '/name' }],
    });
  });

  test('are moved by naming the regions they are to be in, and only what differs is written', async () => {
    const cluster = await make.cluster(hub.owner, tenant, ['north', 'south']);
    const path = `/v1/clusters/${cluster}`;
    const before = await revisionOf(cluster);
    const same = await hub.owner.patch(path, {
      placements: [{ region: 'south' }, { region: 'north', overrides: {} }],
    });
    expect(same.status).toBe(200);
    expect(await revisionOf(cluster)).toBe(before);

    const moved = await hub.owner.patch(path, { placements: [{ region: 'west' }, { region: 'south' }] });
    expect(moved.body.placements).toEqual([{ region: 'south' }, { region: 'west' }]);
    expect(await revisionOf(cluster)).toBeGreaterThan(before);

    const overridden = await hub.owner.patch(path, {
      placements: [{ region: 'west', overrides: { settings: { a: [1] } } }, { region: 'south' }],
    });
    expect(overridden.body.placements[1]).toEqual({ region: 'west', overrides: { settings: { a: [1] } } });
  });

  test('are not placed in unknown regions, all of which are named, and nothing changes', async () => {
    const body = {
      tenantId: tenant,
      name: 'nowhere',
      upstreamUrl: 'http://up.example',
      placements: [{ region: 'moon' }, { region: 'north' }, { region: 'mars' }],
    };
    const refused = await hub.owner.post('/v1/clusters', body);
    expect(refused.body).toMatchObject({ status: 422, code: 'REGION_UNKNOWN' });
    expect(refused.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/placements/0/region',
      '/placements/2/region',
    ]);
    expect(refused.body.detail).toContain('moon');
    expect((await hub.owner.get('/v1/clusters?name=nowhere')).body.items).toEqual([]);

    const cluster = await make.cluster(hub.owner, tenant, ['north']);
    const unmoved = await hub.owner.patch(`/v1/clusters/${cluster}`, {
      name: 'renamed',
      placements: [{ region: 'moon' }],
    });
    expect(unmoved.status).toBe(422);
    expect((await hub.owner.get(`/v1/clusters/${cluster}`)).body).toMatchObject({
      placements: [{ region: 'north' }],
      name: expect.not.stringMatching('renamed'),
    });
  });

  test('stay in a region that drains, but are not newly placed there', async () => {
    const draining = await make.region(hub.owner);
    const cluster = await make.cluster(hub.owner, tenant, ['north', draining]);
    await hub.owner.patch(`/v1/regions/${draining}`, { status: 'draining' });
    const stays = await hub.owner.patch(`/v1/clusters/${cluster}`, {
      placements: [{ region: draining, overrides: { settings: {} } }],
    });
    expect(stays.status).toBe(200);
    const another = await make.cluster(hub.owner, tenant, ['north']);
    const refused = await hub.owner.patch(`/v1/clusters/${another}`, {
      placements: [{ region: 'north' }, { region: draining }],
    });
    expect(refused.body).toMatchObject({
      status: 409,
      code: 'REGION_NOT_ACTIVE',
      errors: [{ pointer: '/placements/1/region' }],
    });
  });

  test('are listed by tenant, region, name and status', async () => {
    const owner = await make.tenant(hub.owner);
    const [a, b] = [
      await make.cluster(hub.owner, owner, ['north'], { name: 'a' }),
      await make.cluster(hub.owner, owner, ['south']),
    ];
    await hub.owner.patch(`/v1/clusters/${b}`, { status: 'disabled' });
    const ids = async (query: string) =>
      (await hub.owner.get(`/v1/clusters?tenantId=${owner}&${query}`)).body.items.map(
        ({ id }: { id: string }) => id,
      );
    expect(await ids('')).toEqual([a, b]);
    expect(await ids('region=south')).toEqual([b]);
    expect(await ids('name=a')).toEqual([a]);
    expect(await ids('status=disabled')).toEqual([b]);
  });

  test('changed at the same time keep every change: placements are replaced one after the other', async () => {
    const cluster = await make.cluster(hub.owner, tenant, ['north']);
    const path = `/v1/clusters/${cluster}`;
    const sets = [['north'], ['south'], ['west'], ['north', 'south'], ['south', 'west']];
    const answers = await Promise.all(
      sets.map((set) => hub.owner.patch(path, { placements: set.map((region) => ({ region })) })),
    );
    expect(answers.map(({ status }) => status)).toEqual(sets.map(() => 200));
    const left = (await hub.owner.get(path)).body.placements.map(({ region }: { region: string }) => region);
    expect(sets).toContainEqual(left);
  });
});
