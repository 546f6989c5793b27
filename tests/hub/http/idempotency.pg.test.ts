import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../hub/db/client.ts';
import { removeOldAnswers } from '../../../hub/http/idempotency.ts';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
  await make.region(hub.owner, 'north');
});
afterAll(() => hub[Symbol.asyncDispose]());

const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });
const named = async (name: string) => (await hub.owner.get(`/v1/tenants?name=${name}`)).body.items;

describe('Idempotency-Key', () => {
  test('makes a repeated POST do nothing and answer the same', async () => {
    const first = await hub.owner.post('/v1/tenants', { name: 'Once' }, withKey('a'));
    const second = await hub.owner.post('/v1/tenants', { name: 'Once' }, withKey('a'));
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect([first, second].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    const log = await hub.owner.get(`/v1/audit-log?resourceId=${first.body.id}`);
    expect(log.body.items).toHaveLength(1);
  });

  test('makes duplicates that arrive at once one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => hub.owner.post('/v1/tenants', { name: 'Storm' }, withKey('b'))),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    expect(await named('Storm')).toHaveLength(1);
  });

  test('does not keep a secret: the replay says that it is omitted', async () => {
    const cluster = await make.cluster(hub.owner, await make.tenant(hub.owner), ['north']);
    const requests: [string, object][] = [
      ['/v1/agent-keys', { clusterId: cluster, name: 'k' }],
      ['/v1/application-keys', { role: 'viewer', name: 'k' }],
    ];
    for (const [path, body] of requests) {
      const first = await hub.owner.post(path, body, withKey(`secret ${path}`.replace(' ', '-')));
      const second = await hub.owner.post(path, body, withKey(`secret ${path}`.replace(' ', '-')));
      const { secret, ...rest } = first.body;
      expect(secret).toMatch(/^sp[ka]_/);
      expect(second.body).toEqual({ ...rest, secretOmitted: true });
    }
    const sql = postgres(hub.databaseUrl, { max: 1 });
    const kept = await sql`select body from idempotency_keys`;
    await sql.end();
    expect(JSON.stringify(kept)).not.toMatch(/sp[ka]_[0-9a-z]{26}_/);
  });

  test('belongs to one request: another under the same key is refused and does nothing', async () => {
    await hub.owner.post('/v1/tenants', { name: 'Mine' }, withKey('c'));
    expect((await hub.owner.post('/v1/tenants', { name: 'Not mine' }, withKey('c'))).body.code).toBe(
      'IDEMPOTENCY_KEY_REUSED',
    );
    expect((await hub.owner.post('/v1/sweeps', {}, withKey('c'))).body.code).toBe('IDEMPOTENCY_KEY_REUSED');
    expect(await named('Not%20mine')).toEqual([]);
  });

  test('belongs to one application key', async () => {
    const admin = hub.as((await make.applicationKey(hub.owner, { role: 'admin' })).secret);
    const first = await hub.owner.post('/v1/tenants', { name: 'Hers' }, withKey('d'));
    const second = await admin.post('/v1/tenants', { name: 'His' }, withKey('d'));
    expect(second.body.id).not.toBe(first.body.id);
  });

  test('of a request that failed may be used again, also by one that waited for the failure', async () => {
    const blocker = await make.tenant(hub.owner, 'Blocked');
    const answers = await Promise.all(
      [1, 2, 3].map(() => hub.owner.post('/v1/tenants', { name: 'Blocked' }, withKey('e'))),
    );
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409]);
    await hub.owner.delete(`/v1/tenants/${blocker}`);
    expect((await hub.owner.post('/v1/tenants', { name: 'Blocked' }, withKey('e'))).status).toBe(201);
  });

  test('must be one', async () => {
    expect((await hub.owner.post('/v1/tenants', { name: 'x' }, withKey('x'.repeat(256)))).status).toBe(400);
  });

  test('is forgotten after a day, a batch at a time', async () => {
    await using database = connect(hub.databaseUrl, { applicationName: 'test', max: 1 });
    await database.sql`delete from idempotency_keys`;
    await hub.owner.post('/v1/tenants', { name: 'Young' }, withKey('young'));
    await database.sql`insert into idempotency_keys (application_key_id, key, request_hash, status, body, created_at)
      select 'apk', 'old-' || n, '', 201, '{}', now() - interval '25 hours' from generate_series(1, 5) n`;
    expect(await removeOldAnswers(database.db, 3, 26)).toBe(0);
    expect(await removeOldAnswers(database.db, 3, 24)).toBe(3);
    expect(await removeOldAnswers(database.db, 3, 24)).toBe(2);
    expect(await database.sql`select key from idempotency_keys`).toMatchObject([{ key: 'young' }]);
  });
});
