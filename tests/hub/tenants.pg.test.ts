import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('tenants', () => {
  test('are created, read, changed and deleted', async () => {
    const created = await hub.owner.post('/v1/tenants', { name: '  Acme  ' });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      id: expect.stringMatching(/^ten_/),
      name: 'Acme',
      status: 'active',
    });

    const path = `/v1/tenants/${created.body.id}`;
    const read = await hub.owner.get(path);
    expect(read.body).toEqual(created.body);
    expect(read.headers.get('etag')).toBe(created.headers.get('etag'));

    const suspended = await hub.owner.patch(path, { status: 'suspended' });
    expect(suspended.body).toMatchObject({ name: 'Acme', status: 'suspended' });
    expect(suspended.headers.get('etag')).not.toBe(created.headers.get('etag'));

    expect((await hub.owner.delete(path)).status).toBe(204);
    expect((await hub.owner.get(path)).status).toBe(404);
    expect((await hub.owner.delete(path)).status).toBe(404);
  });

  test('have names that are unique, also when two are created at once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => hub.owner.post('/v1/tenants', { name: 'Twice' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    const refused = answers.find(({ status }) => status === 409)!;
    expect(refused.body).toMatchObject({ code: 'NAME_TAKEN', errors: [{ pointer: '/name' }] });

    const other = await make.tenant(hub.owner, 'Other');
    expect((await hub.owner.patch(`/v1/tenants/${other}`, { name: 'Twice' })).body.code).toBe('NAME_TAKEN');
    expect((await hub.owner.get(`/v1/tenants/${other}`)).body.name).toBe('Other');
  });

  test('that have clusters are deleted only with cascade', async () => {
    const region = await make.region(hub.owner);
    const tenant = await make.tenant(hub.owner);
    const cluster = await make.cluster(hub.owner, tenant, [region]);
    const key = await make.agentKey(hub.owner, cluster);

    const refused = await hub.owner.delete(`/v1/tenants/${tenant}`);
    expect(refused.body).toMatchObject({ status: 409, code: 'TENANT_HAS_CLUSTERS' });
    expect((await hub.owner.get(`/v1/agent-keys/${key.id}`)).status).toBe(200);

    expect((await hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`)).status).toBe(204);
    expect((await hub.owner.get(`/v1/clusters/${cluster}`)).status).toBe(404);
    expect((await hub.owner.get(`/v1/agent-keys/${key.id}`)).status).toBe(404);
  });

  test('take their application keys with them, at once', async () => {
    const tenant = await make.tenant(hub.owner);
    const { secret } = await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant });
    const viewer = hub.as(secret);
    expect((await viewer.get('/v1/tenants')).body.items).toHaveLength(1);
    await hub.owner.delete(`/v1/tenants/${tenant}`);
    expect((await viewer.get('/v1/tenants')).status).toBe(401);
  });

  test('that are patched to what they are do not change', async () => {
    const tenant = await make.tenant(hub.owner, 'Still');
    const before = (await hub.owner.get(`/v1/tenants/${tenant}`)).body;
    const answer = await hub.owner.patch(`/v1/tenants/${tenant}`, { name: 'Still', status: 'active' });
    expect(answer.body).toEqual(before);
    const log = await hub.owner.get(`/v1/audit-log?resourceId=${tenant}`);
    expect(log.body.items.map((entry: { action: string }) => entry.action)).toEqual(['tenant.create']);
  });
});

describe('quotas', () => {
  const bounded = async (quotas: object) => {
    const { body } = await hub.owner.post('/v1/tenants', {
      name: `bounded ${JSON.stringify(quotas)}`,
      quotas,
    });
    return body as { id: string; quotas: object };
  };
  const codes = (answers: { status: number; body: { code?: string } }[]) =>
    answers.map(({ status, body }) => body.code ?? status).sort();

  test('are shown, changed one by one, and taken away', async () => {
    const tenant = await bounded({ clusters: 3 });
    expect(tenant.quotas).toEqual({ clusters: 3, agentKeys: null, regions: null });
    const path = `/v1/tenants/${tenant.id}`;
    const changed = await hub.owner.patch(path, { quotas: { agentKeys: 7 } });
    expect(changed.body.quotas).toEqual({ clusters: 3, agentKeys: 7, regions: null });
    expect((await hub.owner.patch(path, { quotas: { clusters: null } })).body.quotas.clusters).toBeNull();
    expect((await hub.owner.patch(path, { quotas: { clusters: -1 } })).body.code).toBe('VALIDATION_FAILED');
  });

  test('are passed by no two creations at once', async () => {
    const region = await make.region(hub.owner);
    const { id } = await bounded({ clusters: 1, agentKeys: 2 });
    const body = (name: string) => ({
      ...{ tenantId: id, name, upstreamUrl: 'http://up.example', placements: [{ region }] },
    });
    const clusters = await Promise.all(
      ['a', 'b', 'c'].map((name) => hub.owner.post('/v1/clusters', body(name))),
    );
    expect(codes(clusters)).toEqual([201, 'QUOTA_EXCEEDED', 'QUOTA_EXCEEDED']);
    const refused = clusters.find(({ status }) => status === 409)!;
    expect(refused.body.detail).toContain(`${id} has its 1 clusters`);
    const clusterId = clusters.find(({ status }) => status === 201)!.body.id;
    const keys = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => hub.owner.post('/v1/agent-keys', { clusterId, name })),
    );
    expect(codes(keys)).toEqual([201, 201, 'QUOTA_EXCEEDED', 'QUOTA_EXCEEDED']);
    const list = await hub.owner.get(`/v1/agent-keys?tenantId=${id}`);
    expect(list.body.items).toHaveLength(2);
    await hub.owner.delete(`/v1/agent-keys/${list.body.items[0].id}`);
    expect((await hub.owner.post('/v1/agent-keys', { clusterId, name: 'e' })).status).toBe(201);
  });

  test('of regions let a cluster move, and stop one that spreads', async () => {
    const [one, other] = [await make.region(hub.owner), await make.region(hub.owner)];
    const { id } = await bounded({ regions: 1 });
    const cluster = await make.cluster(hub.owner, id, [one]);
    const path = `/v1/clusters/${cluster}`;
    expect((await hub.owner.patch(path, { placements: [{ region: other }] })).status).toBe(200);
    const spread = await hub.owner.patch(path, { placements: [{ region: one }, { region: other }] });
    expect(spread.body).toMatchObject({ status: 409, code: 'QUOTA_EXCEEDED' });
    expect((await hub.owner.get(path)).body.placements).toEqual([{ region: other }]);
  });

  test('below what is there take nothing away, and are kept for who writes with SQL', async () => {
    const region = await make.region(hub.owner);
    const { id } = await bounded({});
    await make.cluster(hub.owner, id, [region]);
    expect((await hub.owner.patch(`/v1/tenants/${id}`, { quotas: { clusters: 0 } })).status).toBe(200);
    expect((await hub.owner.get(`/v1/clusters?tenantId=${id}`)).body.items).toHaveLength(1);
    const sql = postgres(hub.databaseUrl, { max: 1 });
    const insert = (db: postgres.Sql) =>
      db`insert into clusters (id, tenant_id, name, upstream_url) values ('vci_x', ${id}, 'x', 'http://up.example')`;
    await expect(insert(sql)).rejects.toMatchObject({ constraint_name: 'quota_clusters' });
    await expect(
      sql.begin('isolation level repeatable read', (transaction) => insert(transaction as never)),
    ).rejects.toThrow('read committed');
    await sql.end();
  });
});

describe('residency', () => {
  async function resident() {
    const [inside, outside] = [await make.region(hub.owner), await make.region(hub.owner)];
    const { body } = await hub.owner.post('/v1/tenants', { name: `at ${inside}`, allowedRegions: [inside] });
    const cluster = await make.cluster(hub.owner, body.id, [inside]);
    return { inside, outside, tenant: body.id as string, path: `/v1/tenants/${body.id}`, cluster };
  }

  test('keeps placements in the allowed regions, and itself where placements are', async () => {
    const { inside, outside, path, cluster } = await resident();
    const moved = await hub.owner.patch(`/v1/clusters/${cluster}`, { placements: [{ region: outside }] });
    expect(moved.body).toMatchObject({ status: 422, code: 'REGION_NOT_ALLOWED' });
    expect(moved.body.detail).toContain(`only in: ${inside}`);
    const narrowed = await hub.owner.patch(path, { allowedRegions: [outside] });
    expect(narrowed.body).toMatchObject({ status: 409, code: 'RESIDENCY_IN_USE' });
    expect(narrowed.body.detail).toContain(inside);
    const unknown = await hub.owner.patch(path, { allowedRegions: [inside, 'nowhere'] });
    expect(unknown.body).toMatchObject({
      code: 'REGION_UNKNOWN',
      errors: [{ pointer: '/allowedRegions/1' }],
    });
    expect((await hub.owner.get(path)).body.allowedRegions).toEqual([inside]);
    expect((await hub.owner.patch(path, { allowedRegions: null })).status).toBe(200);
    expect(
      (await hub.owner.patch(`/v1/clusters/${cluster}`, { placements: [{ region: outside }] })).status,
    ).toBe(200);
  });

  test('is kept for who writes with SQL, and by two who write at once', async () => {
    const { inside, outside, tenant, path, cluster } = await resident();
    const sql = postgres(hub.databaseUrl, { max: 2 });
    const place = (db: postgres.Sql) =>
      db`insert into placements (cluster_id, region) values (${cluster}, ${outside})`;
    await expect(
      sql.begin(async (transaction) => {
        await transaction`set session_replication_role = replica`;
        await place(transaction as never);
      }),
    ).rejects.toMatchObject({ constraint_name: 'residency' });

    // A placement that is not committed yet, and a residency that would leave it out.
    await hub.owner.patch(path, { allowedRegions: null });
    const placed = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const placing = sql.begin(async (transaction) => {
      await place(transaction as never);
      placed.resolve();
      await commit.promise;
    });
    await placed.promise;
    const narrowing = hub.owner.patch(path, { allowedRegions: [inside] });
    await vi.waitFor(
      async () => {
        const waiting = await sql`select from pg_stat_activity where wait_event_type = 'Lock'
          and datname = current_database()`;
        expect(waiting).toHaveLength(1);
      },
      { timeout: 30_000 },
    );
    commit.resolve();
    await placing;
    expect((await narrowing).body).toMatchObject({ code: 'RESIDENCY_IN_USE' });
    expect(
      (await sql`select allowed_regions from tenants where id = ${tenant}`)[0]!.allowed_regions,
    ).toBeNull();
    await sql.end();
  });
});
