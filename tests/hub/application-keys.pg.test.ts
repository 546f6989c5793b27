import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { turnLock } from '../../hub/api/application-keys/last-owner.ts';
import { createApplicationKey } from '../../hub/bootstrap.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('application keys', () => {
  test('work from the moment they are made until they are disabled or revoked', async () => {
    const key = await make.applicationKey(hub.owner, { role: 'viewer' });
    const viewer = hub.as(key.secret);
    const path = `/v1/application-keys/${key.id}`;
    expect((await viewer.get('/v1/tenants')).status).toBe(200);

    await hub.owner.patch(path, { status: 'disabled' });
    expect((await viewer.get('/v1/tenants')).body).toMatchObject({
      status: 401,
      detail: 'This application key is disabled.',
    });
    await hub.owner.patch(path, { status: 'active' });
    expect((await viewer.get('/v1/tenants')).status).toBe(200);

    await hub.owner.delete(path);
    expect((await viewer.get('/v1/tenants')).status).toBe(401);
  });

  test('have other rights at once when their role changes', async () => {
    const key = await make.applicationKey(hub.owner, { role: 'viewer' });
    const client = hub.as(key.secret);
    expect((await client.post('/v1/tenants', { name: 'early' })).status).toBe(403);
    await hub.owner.patch(`/v1/application-keys/${key.id}`, { role: 'admin' });
    expect((await client.post('/v1/tenants', { name: 'early' })).status).toBe(201);
  });

  test('tell when they were last used, which is no change of theirs', async () => {
    const key = await make.applicationKey(hub.owner, { role: 'viewer' });
    const path = `/v1/application-keys/${key.id}`;
    const before = await hub.owner.get(path);
    expect(before.body.lastUsedAt).toBeNull();
    await hub.as(key.secret).get('/v1/tenants');
    await expect.poll(async () => (await hub.owner.get(path)).body.lastUsedAt).not.toBeNull();
    const after = await hub.owner.get(path);
    expect(after.headers.get('etag')).toBe(before.headers.get('etag'));
    expect(after.body.updatedAt).toBe(before.body.updatedAt);
  });

  test('give nobody more rights than their maker has', async () => {
    const tenant = await make.tenant(hub.owner);
    const other = await make.tenant(hub.owner);
    const tenantOwner = hub.as(
      (await make.applicationKey(hub.owner, { role: 'owner', tenantId: tenant })).secret,
    );

    const own = await tenantOwner.post('/v1/application-keys', { role: 'owner', name: 'mine' });
    expect(own.body).toMatchObject({ role: 'owner', tenantId: tenant });
    expect(
      (await tenantOwner.post('/v1/application-keys', { role: 'viewer', name: 'up', tenantId: null })).body
        .code,
    ).toBe('FORBIDDEN');
    expect(
      (await tenantOwner.post('/v1/application-keys', { role: 'viewer', name: 'over', tenantId: other })).body
        .code,
    ).toBe('NOT_FOUND');
    const admin = hub.as((await make.applicationKey(hub.owner, { role: 'admin' })).secret);
    expect((await admin.post('/v1/application-keys', { role: 'viewer', name: 'x' })).body.code).toBe(
      'FORBIDDEN',
    );
  });

  test('made by the command line are in the audit log', async () => {
    const { id } = await createApplicationKey(hub.databaseUrl, { role: 'viewer', name: ' by hand ' });
    const log = await hub.owner.get(`/v1/audit-log?resourceId=${id}`);
    expect(log.body.items).toMatchObject([
      { actor: { id: 'cli' }, action: 'application-key.create', after: { name: 'by hand' } },
    ]);
    await expect(createApplicationKey(hub.databaseUrl, { role: 'viewer', name: ' ' })).rejects.toThrow(
      'must not be empty',
    );
    const absent = 'ten_00000000000000000000000000';
    await expect(
      createApplicationKey(hub.databaseUrl, { role: 'viewer', name: 'x', tenantId: absent }),
    ).rejects.toThrow(absent);
  });
});

test('an application key has a limit of requests at each hub, which says how many are left and when more', async () => {
  let nowMs = 0;
  await using limited = await startHub({
    databaseUrl: hub.databaseUrl,
    environment: { SPOKECAST_KEY_REQUESTS_MAX: '3' },
    clock: { ...systemClock, monotonic: () => nowMs },
  });
  const key = await make.applicationKey(hub.owner, { role: 'viewer' });
  const ask = () => limited.as(key.secret).get('/v1/tenants');
  const first = await ask();
  expect(first.headers.get('ratelimit-policy')).toBe('"application-key";q=3;w=60');
  expect(first.headers.get('ratelimit')).toBe('"application-key";r=2;t=20');
  expect((await limited.as(key.secret).post('/v1/tenants', { name: 'no' })).status, 'it counts').toBe(403);
  expect((await ask()).status).toBe(200);
  const refused = await ask();
  expect(refused.body).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
  expect(refused.headers.get('retry-after')).toBe('20');
  expect(refused.headers.get('ratelimit')).toBe('"application-key";r=0;t=20');
  const other = await make.applicationKey(hub.owner, { role: 'viewer' });
  expect((await limited.as(other.secret).get('/v1/tenants')).status, 'another key').toBe(200);
  expect((await hub.as(key.secret).get('/v1/tenants')).status, 'another hub').toBe(200);
  expect((await limited.as('nonsense').get('/v1/tenants')).headers.get('ratelimit')).toBeNull();
  nowMs += 20_000;
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 429]);
});

describe('the last owner of the platform', () => {
  test('cannot be deleted, disabled, demoted or made to expire', async () => {
    await using alone = await startHub();
    const [self] = (await alone.owner.get('/v1/application-keys?role=owner')).body.items;
    const path = `/v1/application-keys/${self.id}`;
    for (const change of [{ status: 'disabled' }, { role: 'admin' }, { expiresAt: '2099-01-01T00:00:00Z' }]) {
      expect((await alone.owner.patch(path, change)).body).toMatchObject({ status: 409, code: 'LAST_OWNER' });
    }
    expect((await alone.owner.delete(path)).body.code).toBe('LAST_OWNER');
    expect((await alone.owner.get(path)).body).toEqual({ ...self, lastUsedAt: expect.anything() });

    await make.applicationKey(alone.owner, { role: 'owner', expiresAt: '2099-01-01T00:00:00Z' });
    // One that expires is no successor of one that is to expire as well, but is of one that goes now.
    expect((await alone.owner.patch(path, { expiresAt: '2098-01-01T00:00:00Z' })).body.code).toBe(
      'LAST_OWNER',
    );
    expect((await alone.owner.delete(path)).status).toBe(204);
  });

  test('is left over when two owners remove each other at once', async () => {
    await using pair = await startHub();
    const second = await make.applicationKey(pair.owner, { role: 'owner' });
    const first = (await pair.owner.get('/v1/application-keys')).body.items.find(
      ({ id }: { id: string }) => id !== second.id,
    );
    // Both are let in before either has begun to look: whoever comes second must see what the first did.
    const sql = postgres(pair.databaseUrl, { max: 2 });
    const { both } = await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${turnLock})`;
      const both = [
        pair.owner.delete(`/v1/application-keys/${second.id}`),
        pair.as(second.secret).delete(`/v1/application-keys/${first.id}`),
      ];
      const waiting = () =>
        sql`select from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())`;
      await expect.poll(async () => (await waiting()).length).toBe(2);
      return { both };
    });
    const answers = await Promise.all(both);
    await sql.end();
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    const left = [pair.owner, pair.as(second.secret)].map((client) => client.get('/v1/tenants'));
    expect((await Promise.all(left)).map(({ status }) => status).sort()).toEqual([200, 401]);
  });
});
