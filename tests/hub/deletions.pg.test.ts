import { createHash } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../hub/db/client.ts';
import { trimLedger } from '../../hub/db/housekeeping.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
let sql: postgres.Sql;
beforeAll(async () => {
  hub = await startHub();
  sql = postgres(hub.databaseUrl, { max: 2 });
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

/** Every row that belongs to the tenant, as it is. */
const rowsOf = (tenant: string) => sql`
  select to_jsonb(t) as row from tenants t where id = ${tenant}
  union all select to_jsonb(t) from application_keys t where tenant_id = ${tenant}
  union all select to_jsonb(t) from memberships t where tenant_id = ${tenant}
  union all select to_jsonb(t) from clusters t where tenant_id = ${tenant}
  union all select to_jsonb(t) from placements t join clusters c on c.id = t.cluster_id where c.tenant_id = ${tenant}
  union all select to_jsonb(t) from agent_keys t join clusters c on c.id = t.cluster_id where c.tenant_id = ${tenant}
  order by 1`;
const headOf = async (key: string) =>
  (await sql`select revision::int, deleted from heads where key = ${key}`)[0] as {
    revision: number;
    deleted: boolean;
  };

async function furnished() {
  const [one, other] = [await make.region(hub.owner), await make.region(hub.owner)];
  const tenant = await make.tenant(hub.owner);
  const application = await make.applicationKey(hub.owner, { role: 'admin', tenantId: tenant });
  const cluster = await make.cluster(hub.owner, tenant, [one, other], {
    ...{
      settings: { a: [1, { b: null }] },
      upstreams: [{ url: 'http://a.example' }, { url: 'http://b.example' }],
    },
  });
  const bounds = { allowedNetworks: ['192.0.2.0/24'], rateLimit: { limit: 3, windowMs: 1000 } };
  const key = await make.agentKey(hub.owner, cluster, { ...bounds, permissions: ['a', 'b'] });
  await hub.owner.post(`/v1/agent-keys/${key.id}/rotate`, {});
  for (const who of [`stays_${tenant}`, `leaves_${tenant}`]) {
    await sql`insert into users (id, email, name, status) values (${who}, ${`${who}@example.com`}, 'A', 'active')`;
    await sql`insert into memberships (user_id, tenant_id, role) values (${who}, ${tenant}, 'viewer')`;
  }
  return { one, tenant, application, cluster, key };
}

describe('undeleting', () => {
  test('brings back a tenant with all that went with it, as it was, above its tombstones', async () => {
    const { tenant, application, cluster, key } = await furnished();
    const all = await rowsOf(tenant);
    expect(all).toHaveLength(8);
    await hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`);
    expect(await rowsOf(tenant)).toEqual([]);
    await sql`delete from users where id = ${`leaves_${tenant}`}`;
    const before = all.filter(({ row }) => row.user_id !== `leaves_${tenant}`);
    const tombstone = await headOf(key.id);
    expect(tombstone.deleted).toBe(true);
    expect((await hub.as(application.secret).get('/v1/clusters')).status).toBe(401);

    const { body: list } = await hub.owner.get(`/v1/deletions?tenantId=${tenant}`);
    expect(list.items).toMatchObject([
      { resourceType: 'tenant', resourceId: tenant, clusters: 1, agentKeys: 1 },
    ]);
    const days = (Date.parse(list.items[0].purgeAt) - Date.parse(list.items[0].deletedAt)) / 86_400_000;
    expect(days).toBe(30);

    const back = await hub.owner.post(`/v1/tenants/${tenant}/undelete`);
    expect(back).toMatchObject({ status: 200, body: { id: tenant } });
    expect(await rowsOf(tenant)).toEqual(before);
    const head = await headOf(key.id);
    expect(head.deleted).toBe(false);
    expect(head.revision).toBeGreaterThan(tombstone.revision);
    const holdings = await sql`select from holdings where cluster_id = ${cluster} and until is null`;
    expect(holdings).toHaveLength(2);
    expect((await hub.as(application.secret).get('/v1/clusters')).body.items).toHaveLength(1);
    expect((await hub.owner.post(`/v1/tenants/${tenant}/undelete`)).status).toBe(404);
    const log = await hub.owner.get(`/v1/audit-log?resourceId=${tenant}&action=tenant.undelete`);
    expect(log.body.items).toMatchObject([{ after: { id: tenant, clusters: 1, agentKeys: 1 } }]);
    expect(JSON.stringify([log.body, list])).not.toMatch(/verifier/);
  });

  test('[law 2] does not bring back what was revoked while it was being deleted', async () => {
    const { tenant, application, cluster, key } = await furnished();
    const revoked = await make.agentKey(hub.owner, cluster);
    const isDeleting = sql`
      select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'deleted_rows|delete from "tenants"'`;
    let deleting: ReturnType<typeof hub.owner.delete> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from placements where cluster_id = ${cluster}`;
      await tx`update application_keys set status = 'disabled' where id = ${application.id}`;
      await tx`update agent_keys set status = 'disabled' where id = ${key.id}`;
      deleting = hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`);
      await expect.poll(async () => (await sql`${isDeleting}`).length).toBe(1);
      await tx`delete from agent_keys where id = ${revoked.id}`;
    });
    expect((await deleting)!.status).toBe(204);
    expect((await hub.owner.post(`/v1/tenants/${tenant}/undelete`)).status).toBe(200);
    const keys = await sql`select id, status from agent_keys where cluster_id = ${cluster}`;
    expect(keys).toEqual([{ id: key.id, status: 'disabled' }]);
    expect(await sql`select from placements where cluster_id = ${cluster}`).toHaveLength(0);
    expect((await hub.as(application.secret).get('/v1/clusters')).status).toBe(401);
  });

  test('brings back a cluster by itself, once, and not before its tenant', async () => {
    const { tenant, cluster } = await furnished();
    const before = await rowsOf(tenant);
    await hub.owner.delete(`/v1/clusters/${cluster}`);
    await hub.owner.delete(`/v1/tenants/${tenant}`);
    const path = `/v1/clusters/${cluster}/undelete`;
    expect((await hub.owner.post(path)).body.errors).toMatchObject([{ pointer: '/tenantId' }]);
    await hub.owner.post(`/v1/tenants/${tenant}/undelete`);
    const answers = await Promise.all([hub.owner.post(path), hub.owner.post(path)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    expect(await rowsOf(tenant)).toEqual(before);
  });

  test('is refused where the name is taken, a quota used up or a region gone, and changes nothing then', async () => {
    const { one, tenant, cluster } = await furnished();
    const { name } = (await hub.owner.get(`/v1/clusters/${cluster}`)).body;
    await hub.owner.delete(`/v1/clusters/${cluster}`);
    const path = `/v1/clusters/${cluster}/undelete`;
    const refused = async () => {
      const { body } = await hub.owner.post(path);
      expect(await sql`select from clusters where id = ${cluster}`).toHaveLength(0);
      return body.code;
    };
    const usurper = await make.cluster(hub.owner, tenant, [one], { name });
    expect(await refused()).toBe('NAME_TAKEN');
    await hub.owner.patch(`/v1/clusters/${usurper}`, { name: 'another' });
    await hub.owner.patch(`/v1/tenants/${tenant}`, { quotas: { clusters: 1 } });
    expect(await refused()).toBe('QUOTA_EXCEEDED');
    await hub.owner.patch(`/v1/tenants/${tenant}`, { quotas: { clusters: null } });
    const secretSha256 = createHash('sha256').update(cluster).digest('hex');
    const imported = await furnished();
    const twice = { name: 'made elsewhere', secretSha256 };
    await hub.owner.post('/v1/agent-keys/import', { ...twice, clusterId: imported.cluster });
    await hub.owner.delete(`/v1/clusters/${imported.cluster}`);
    await hub.owner.post('/v1/agent-keys/import', { ...twice, clusterId: usurper });
    const again = await hub.owner.post(`/v1/clusters/${imported.cluster}/undelete`);
    expect(again.body).toMatchObject({ status: 409, code: 'SECRET_TAKEN' });
    await hub.owner.delete(`/v1/clusters/${usurper}`);
    await hub.owner.patch(`/v1/regions/${one}`, { status: 'disabled' });
    expect((await hub.owner.delete(`/v1/regions/${one}`)).status).toBe(204);
    expect(await refused()).toBe('REGION_UNKNOWN');
  });

  test('is for as long as was set on the day of the deletion; then all of it is purged', async () => {
    const { tenant } = await furnished();
    await hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`);
    await using database = connect(hub.databaseUrl, { applicationName: 'test', max: 1 });
    await trimLedger(database.db, { auditDays: 0, sweepDays: 30, fenceHours: 24 });
    const kept = () =>
      sql`select from deleted_rows r join deletions d on d.id = r.deletion where d.tenant_id = ${tenant}`;
    expect(await kept()).toHaveLength(8);
    await sql`update deletions set purge_at = now() - interval '1 second' where tenant_id = ${tenant}`;
    await trimLedger(database.db, { auditDays: 0, sweepDays: 30, fenceHours: 24 });
    expect(await kept()).toHaveLength(0);
    expect(await sql`select from deleted_rows where row ->> 'id' = ${tenant}`).toHaveLength(0);
    expect((await hub.owner.post(`/v1/tenants/${tenant}/undelete`)).status).toBe(404);
  });

  test('finds nothing where nothing is to be kept', async () => {
    await using other = await startHub({ environment: { SPOKECAST_UNDELETE_DAYS: '0' } });
    const tenant = await make.tenant(other.owner);
    await other.owner.delete(`/v1/tenants/${tenant}`);
    expect((await other.owner.get('/v1/deletions')).body.items).toEqual([]);
    expect((await other.owner.post(`/v1/tenants/${tenant}/undelete`)).status).toBe(404);
  });
});
