import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../hub/db/client.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub[Symbol.asyncDispose]());

interface Entry {
  action: string;
  before: object | null;
  after: object | null;
}

describe('the audit log', () => {
  test('tells who did what, before and after, and under which request', async () => {
    const tenant = await make.tenant(hub.owner, 'Before');
    const headers = { 'spokecast-request-id': 'req-of-mine-1' };
    await hub.owner.patch(`/v1/tenants/${tenant}`, { name: 'After' }, { headers });
    await hub.owner.delete(`/v1/tenants/${tenant}`);
    const { items } = (await hub.owner.get(`/v1/audit-log?resourceId=${tenant}`)).body;
    expect(items.map(({ action }: Entry) => action)).toEqual([
      'tenant.delete',
      'tenant.update',
      'tenant.create',
    ]);
    expect(items[1]).toMatchObject({
      actor: { name: 'test owner' },
      resourceType: 'tenant',
      resourceId: tenant,
      tenantId: tenant,
      before: { name: 'Before' },
      after: { name: 'After' },
      requestId: 'req-of-mine-1',
    });
    expect([items[0].after, items[2].before]).toEqual([null, null]);
  });

  test('holds nothing of a request that failed', async () => {
    await make.tenant(hub.owner, 'Taken');
    const total = async () => (await hub.owner.get('/v1/audit-log?limit=200')).body.items.length;
    const before = await total();
    expect((await hub.owner.post('/v1/tenants', { name: 'Taken' })).status).toBe(409);
    expect(await total()).toBe(before);
  });

  test.each<Record<string, string>>([{}, { 'idempotency-key': 'once' }])(
    'tells of what is done, or it is not done: %j',
    async (headers) => {
      await using database = connect(hub.databaseUrl, { applicationName: 'test', max: 1 });
      const name = `told ${JSON.stringify(headers)}`;
      const create = () => hub.owner.post('/v1/tenants', { name }, { headers });
      const made = async () => (await database.sql`select from tenants where name = ${name}`).length;
      const refuse = (code: string, times: number) =>
        database.sql.unsafe(`
        create sequence refusals;
        create function refuse() returns trigger language plpgsql as $$
          begin
            if nextval('refusals') <= ${times} then raise 'refused' using errcode = '${code}'; end if;
            return new;
          end $$;
        create trigger refuse before insert on audit_log for each row execute function refuse()`);
      const allow = () => database.sql.unsafe('drop sequence refusals; drop function refuse cascade');
      await refuse('raise_exception', 1);
      expect([(await create()).status, await made()]).toEqual([500, 0]);
      await allow();
      await refuse('deadlock_detected', 2);
      expect([(await create()).status, await made()]).toEqual([201, 1]);
      await allow();
      expect((await hub.owner.get('/v1/audit-log?action=tenant.create')).body.items[0].after.name).toBe(name);
    },
  );

  test('is filtered by resource, action, actor, tenant and time', async () => {
    const tenant = await make.tenant(hub.owner);
    const key = await make.applicationKey(hub.owner, { role: 'owner', tenantId: tenant });
    await hub.as(key.secret).post('/v1/application-keys', { role: 'viewer', name: 'x' });
    const find = async (query: string) =>
      (await hub.owner.get(`/v1/audit-log?limit=200&${query}`)).body.items as (Entry & { at: string })[];
    expect((await find(`actorId=${key.id}`)).map(({ action }) => action)).toEqual(['application-key.create']);
    expect(await find(`tenantId=${tenant}`)).toHaveLength(3);
    expect((await find(`tenantId=${tenant}&resourceType=tenant`)).map(({ action }) => action)).toEqual([
      'tenant.create',
    ]);
    expect(await find('action=tenant.delete&actorId=nobody')).toEqual([]);

    const all = await find('');
    const at = all[1]!.at;
    const [since, until] = [await find(`since=${at}`), await find(`until=${at}`)];
    expect(since.length + until.length).toBe(all.length);
    expect(since.every((entry) => entry.at >= at)).toBe(true);
    expect((await hub.owner.get('/v1/audit-log?since=yesterday')).body.errors).toMatchObject([
      { pointer: '?since' },
    ]);
    // Zones and years that one knows and the database does not.
    expect((await hub.owner.get('/v1/audit-log?since=0000-01-01T00:00:00Z')).status).toBe(400);
    expect((await hub.owner.get('/v1/audit-log?until=9999-12-31T23:59:59-23:59')).status).toBe(400);
    expect(await find('since=2000-01-01T00:00:00-23:59')).toEqual(all);
  });

  test('shows a tenant its own entries only', async () => {
    const tenant = await make.tenant(hub.owner);
    const viewer = hub.as(
      (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).secret,
    );
    const { items } = (await viewer.get('/v1/audit-log')).body;
    expect(items.map(({ action }: Entry) => action)).toEqual(['application-key.create', 'tenant.create']);
  });
});

describe('the history of a context', () => {
  const actionsOf = async (kind: string, key: string) => {
    const actions: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path = `/v1/contexts/${kind}/${key}/history?limit=2${cursor && `&cursor=${cursor}`}`;
      const { body } = await hub.owner.get(path);
      actions.push(...body.items.map((entry: { action: string }) => entry.action));
      cursor = body.nextCursor;
    }
    return actions;
  };

  test('is what was done to it, to what it went and came back with, and nothing else', async () => {
    const region = await make.region(hub.owner);
    const tenant = await make.tenant(hub.owner);
    const cluster = await make.cluster(hub.owner, tenant, [region]);
    const { id } = await make.agentKey(hub.owner, cluster);
    await make.agentKey(hub.owner, cluster);
    await hub.owner.patch(`/v1/clusters/${cluster}`, { settings: { of: 'the cluster' } });
    await hub.owner.patch(`/v1/agent-keys/${id}`, { status: 'disabled' });
    await hub.owner.post(`/v1/contexts/agent-key/${id}/refresh`);
    await hub.owner.delete(`/v1/clusters/${cluster}`);
    await hub.owner.post(`/v1/clusters/${cluster}/undelete`);
    await hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`);
    expect(await actionsOf('agent-key', id)).toEqual([
      ...['tenant.delete', 'cluster.undelete', 'cluster.delete'],
      ...['context.refresh', 'agent-key.update', 'agent-key.create'],
    ]);
    expect(await actionsOf('cluster', cluster)).toEqual([
      ...['tenant.delete', 'cluster.undelete', 'cluster.delete', 'cluster.update', 'cluster.create'],
    ]);
    expect((await hub.owner.get('/v1/contexts/agent-key/aki_nobody/history')).status).toBe(404);
  });
});
