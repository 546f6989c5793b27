import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
