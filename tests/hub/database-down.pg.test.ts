import postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { createApplicationKey } from '../../hub/bootstrap.ts';
import { createDatabase } from '../support/database.ts';
import { startHub } from './support/hub.ts';
import { Severable } from './support/severable.ts';
import { Visitor } from './support/visitor.ts';

describe('without its database', () => {
  test('the hub answers 503, tells that it is not ready, and is fine again when the database is', async () => {
    await using database = await createDatabase();
    await using proxy = await new Severable(database.url).restore();
    await using hub = await startHub({
      databaseUrl: proxy.url,
      environment: { SPOKECAST_REQUEST_TIMEOUT_MS: '5000' },
    });
    expect((await hub.owner.post('/v1/tenants', { name: 'before' })).status).toBe(201);
    expect((await hub.as(undefined).get('/readyz')).status).toBe(200);

    await proxy.sever();
    const attempts = [
      hub.owner.get('/v1/tenants'),
      hub.owner.post('/v1/tenants', { name: 'during' }),
      hub.owner.get('/v1/audit-log'),
    ];
    for (const answer of await Promise.all(attempts)) {
      expect(answer.body).toMatchObject({ status: 503, code: 'DATABASE_UNAVAILABLE' });
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(JSON.stringify(answer.body)).not.toMatch(/127\.0\.0\.1|insert|select|ECONN/i);
    }
    const signIn = { email: 'ann@example.com', password: 'seven green bottles' };
    expect((await new Visitor(hub.url).submit('/login', signIn)).status, 'who cannot be counted').toBe(503);
    expect((await hub.as(undefined).get('/readyz')).body).toMatchObject({ status: 503, code: 'NOT_READY' });
    expect((await hub.as(undefined).get('/healthz')).status).toBe(200);

    await proxy.restore();
    await expect
      .poll(async () => (await hub.as(undefined).get('/readyz')).status, { timeout: 30_000 })
      .toBe(200);
    expect((await hub.owner.post('/v1/tenants', { name: 'during' })).status).toBe(201);
    expect((await hub.owner.get('/v1/tenants')).body.items).toHaveLength(2);
  });

  test('a key that nobody has looked up lately is not refused as unknown', async () => {
    await using database = await createDatabase();
    await using proxy = await new Severable(database.url).restore();
    await using hub = await startHub({ databaseUrl: proxy.url });
    const { secret } = await createApplicationKey(database.url, { role: 'viewer', name: 'late' });
    await proxy.sever();
    expect((await hub.as(secret).get('/v1/tenants')).status).toBe(503);
  });
});

describe('with a database that is busy', () => {
  test('a request that cannot be answered in time is answered with 503', async () => {
    await using hub = await startHub({ environment: { SPOKECAST_REQUEST_TIMEOUT_MS: '300' } });
    const sql = postgres(hub.databaseUrl, { max: 1 });
    const { id } = (await hub.owner.post('/v1/tenants', { name: 'locked' })).body;
    await sql.begin(async (tx) => {
      await tx`select from tenants where id = ${id} for update`;
      const answer = await hub.owner.patch(`/v1/tenants/${id}`, { name: 'renamed' });
      expect(answer.body).toMatchObject({ status: 503, code: 'DATABASE_UNAVAILABLE' });
    });
    await sql.end();
    await expect
      .poll(async () => (await hub.owner.patch(`/v1/tenants/${id}`, { name: 'renamed' })).status)
      .toBe(200);
  });

  test('transactions that the database breaks a tie between are run again', async () => {
    await using hub = await startHub();
    const sql = postgres(hub.databaseUrl, { max: 2 });
    const ids: string[] = [];
    for (const name of ['a', 'b']) ids.push((await hub.owner.post('/v1/tenants', { name })).body.id);
    // Hold one tenant's name as taken by a transaction that then wants the row our request holds: a deadlock.
    const patched = await sql.begin(async (tx) => {
      await tx`set local deadlock_timeout = '10s'`; // so that it is our request the database ends
      await tx`update tenants set name = 'wanted' where id = ${ids[1]!}`;
      const patch = hub.owner.patch(`/v1/tenants/${ids[0]}`, { name: 'wanted' });
      const waiting = () =>
        sql`select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'spokecast hub' and datname = current_database()`;
      await expect.poll(async () => (await waiting()).length).toBeGreaterThan(0);
      await tx`update tenants set status = 'suspended' where id = ${ids[0]!}`;
      await tx`update tenants set name = 'b again' where id = ${ids[1]!}`;
      return { patch };
    });
    expect((await patched.patch).body).toMatchObject({ name: 'wanted', status: 'suspended' });
    await sql.end();
  });
});
