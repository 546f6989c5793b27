import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  importedKeyId,
  noVerifier,
  parseSecret,
  verifierMatches,
  verifierOf,
} from '../../contexts/secrets.ts';
import { noteReporting, noteUsesRead, recordKeyUses } from '../../hub/db/key-uses.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
let cluster: string;
beforeAll(async () => {
  hub = await startHub();
  await make.region(hub.owner, 'north');
  cluster = await make.cluster(hub.owner, await make.tenant(hub.owner), ['north']);
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('agent keys', () => {
  test('show their secret once, and only its verifier is stored', async () => {
    const created = await hub.owner.post('/v1/agent-keys', {
      clusterId: cluster,
      name: 'agent',
      permissions: ['read', 'write'],
    });
    expect(created.status).toBe(201);
    const { id, secret } = created.body;
    expect(parseSecret('agentKey', secret)).toBe(id);

    const read = await hub.owner.get(`/v1/agent-keys/${id}`);
    expect(read.body).toMatchObject({
      id,
      clusterId: cluster,
      name: 'agent',
      status: 'active',
      expiresAt: null,
      permissions: ['read', 'write'],
    });
    const everything = JSON.stringify([
      read.body,
      (await hub.owner.get('/v1/agent-keys')).body,
      (await hub.owner.get('/v1/audit-log')).body,
    ]);
    expect(everything).not.toContain(secret);

    const sql = postgres(hub.databaseUrl, { max: 1 });
    const [row] = await sql`select verifier from agent_keys where id = ${id}`;
    await sql.end();
    expect(verifierMatches(secret, row!.verifier)).toBe(true);
    expect(everything).not.toContain(row!.verifier);
  });

  test('tell where they were last used, what nobody has told, and which are known to be unused', async () => {
    const { db } = hub.hub.services.database;
    const [north, south] = [
      await make.region(hub.owner, 'used-north'),
      await make.region(hub.owner, 'used-south'),
    ];
    const placed = await make.cluster(hub.owner, await make.tenant(hub.owner), [north, south]);
    const old = await make.agentKey(hub.owner, placed);
    const usesOf = async (id: string) => (await hub.owner.get(`/v1/agent-keys/${id}`)).body.uses;
    const unknown = { state: 'unknown', lastUsedAt: null, reportedSince: null };
    expect(await usesOf(old.id)).toEqual([
      { region: north, ...unknown },
      { region: south, ...unknown },
    ]);

    const telling = { reportsKeyUses: true };
    await noteReporting(db, north, [telling, telling]);
    await noteReporting(db, south, [telling, {}]); // one of an older build
    const young = await make.agentKey(hub.owner, placed);
    expect(await usesOf(young.id)).toMatchObject([{ state: 'never' }, { ...unknown }]);
    expect(await usesOf(old.id)).toMatchObject([
      { state: 'unknown', reportedSince: expect.any(String) },
      unknown,
    ]);

    const etag = (await hub.owner.get(`/v1/agent-keys/${young.id}`)).headers.get('etag');
    const atMs = Date.now() - 60_000;
    const at = new Date(atMs).toISOString();
    await recordKeyUses(db, north, { keys: [young.id, young.id, 'aki_nobody'], atMs });
    await recordKeyUses(db, north, { keys: [young.id], atMs: atMs - 60_000 }); // told late
    await recordKeyUses(db, 'nowhere', { keys: [young.id], atMs });
    const read = await hub.owner.get(`/v1/agent-keys/${young.id}`);
    expect(read.body).toMatchObject({ lastUsedAt: at, uses: [{ state: 'used', lastUsedAt: at }, unknown] });
    expect(read.headers.get('etag')).toBe(etag);
    await recordKeyUses(db, south, { keys: [young.id], atMs: Date.now() + 3_600_000 }); // its clock is ahead
    const [, ahead] = await usesOf(young.id);
    expect(Date.parse(ahead.lastUsedAt)).toBeLessThanOrEqual(Date.now() + 1_000);

    const unused = async (since: string) =>
      (await hub.owner.get(`/v1/agent-keys?clusterId=${placed}&unusedSince=${since}`)).body.items.map(
        (one: { id: string }) => one.id,
      );
    const soon = new Date(Date.now() + 1_000).toISOString();
    expect(await unused(soon)).toEqual([]); // a region of theirs does not tell
    await noteReporting(db, south, [telling]);
    await noteReporting(db, south, []); // none lives: none was let in
    expect(await unused(soon)).toEqual([old.id, young.id]);
    expect(await unused(at)).toEqual([]); // of the old one nobody told before, the young one was used
    const [third] = [await make.agentKey(hub.owner, placed)];
    expect(await unused(at)).toEqual([third.id]);
    // Nobody read for a while what gateways said: something may be missing.
    await db.execute(
      sql`update key_use_regions set read_at = now() - interval '1 hour' where region = ${north}`,
    );
    await noteUsesRead(db, north);
    expect(await usesOf(third!.id)).toMatchObject([{ region: north, state: 'unknown' }, { state: 'never' }]);
    await noteUsesRead(db, south);
    expect(await usesOf(third!.id)).toMatchObject([{ state: 'unknown' }, { state: 'never' }]);
    expect((await hub.owner.get('/v1/agent-keys?unusedSince=lately')).status).toBe(400);
    const { items } = (await hub.owner.get(`/v1/agent-keys?clusterId=${placed}`)).body;
    expect(items.map((one: { lastUsedAt: string | null }) => one.lastUsedAt)).toEqual([
      null,
      ahead.lastUsedAt,
      null,
    ]);
  });

  test('are imported by the hash of a secret, once, and then rotated like any other', async () => {
    const verifier = verifierOf('made-elsewhere-0123456789');
    const hex = Buffer.from(verifier, 'base64url').toString('hex');
    const id = importedKeyId(verifier);
    const path = '/v1/agent-keys/import';
    const body = { clusterId: cluster, name: 'old agent', secretSha256: hex, permissions: ['read'] };
    const [one, other] = await Promise.all([hub.owner.post(path, body), hub.owner.post(path, body)]);
    expect([one.status, other.status].sort()).toEqual([201, 409]);
    const made = one.status === 201 ? one.body : other.body;
    expect(made).toMatchObject({ id, clusterId: cluster, permissions: ['read'], status: 'active' });
    const again = await hub.owner.post(path, { ...body, secretSha256: verifier });
    expect(again.body).toMatchObject({
      code: 'SECRET_TAKEN',
      errors: [{ pointer: '/secretSha256', detail: expect.stringContaining(id) }],
    });
    const sql = postgres(hub.databaseUrl, { max: 1 });
    const rowOf = async () =>
      (await sql`select verifier, retiring, restricted_verifier from agent_keys where id = ${id}`)[0];
    expect(await rowOf()).toMatchObject({ verifier, retiring: [] });
    const rotated = await hub.owner.post(`/v1/agent-keys/${id}/rotate`, { graceSeconds: 3600 });
    expect(parseSecret('agentKey', rotated.body.secret)).toBe(id);
    expect(await rowOf()).toMatchObject({
      verifier: verifierOf(rotated.body.secret),
      retiring: [{ verifier, endsAtMs: expect.any(Number) }],
    });
    expect((await hub.owner.delete(`/v1/agent-keys/${id}`)).status).toBe(204);
    const bound = await hub.owner.post(path, { ...body, allowedNetworks: ['192.0.2.0/24'] });
    expect(bound.body, 'the same secret is the same key').toMatchObject({ id });
    expect(await rowOf()).toMatchObject({ verifier: noVerifier, restricted_verifier: verifier });
    await sql.end();

    const log = JSON.stringify((await hub.owner.get(`/v1/audit-log?resourceId=${id}`)).body);
    expect(log).toContain('agent-key.import');
    for (const text of [verifier, hex]) expect(log + JSON.stringify([made, again.body])).not.toContain(text);
  });

  test.each([
    ['a secret', 'made-elsewhere-0123456789'],
    ['a shorter hash', 'a'.repeat(40)],
    ['bits beyond the end', `${'A'.repeat(42)}B`],
  ])('are not imported by %s', async (_what, secretSha256) => {
    const answer = await hub.owner.post('/v1/agent-keys/import', {
      clusterId: cluster,
      name: 'no',
      secretSha256,
    });
    expect(answer.body).toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [expect.objectContaining({ pointer: '/secretSha256' })],
    });
  });

  test('are disabled, given other permissions and an expiry, and revoked', async () => {
    const { id } = await make.agentKey(hub.owner, cluster);
    const path = `/v1/agent-keys/${id}`;
    const changed = await hub.owner.patch(path, {
      status: 'disabled',
      expiresAt: '2099-01-01T01:00:00+01:00',
      permissions: ['a:b'],
    });
    expect(changed.body).toMatchObject({
      status: 'disabled',
      expiresAt: '2099-01-01T00:00:00.000Z',
      permissions: ['a:b'],
    });
    const same = await hub.owner.patch(path, { expiresAt: '2099-01-01T00:00:00Z' });
    expect(same.headers.get('etag')).toBe(changed.headers.get('etag'));
    expect((await hub.owner.patch(path, { expiresAt: null, status: 'active' })).body).toMatchObject({
      expiresAt: null,
      status: 'active',
    });
    expect((await hub.owner.delete(path)).status).toBe(204);
    expect((await hub.owner.get(path)).status).toBe(404);
  });

  test.each([
    ['in the past', '2020-01-01T00:00:00Z'],
    ['in the year 10000, by its zone', '9999-12-31T23:59:59-01:00'],
  ])('cannot expire %s', async (_, expiresAt) => {
    const body = { clusterId: cluster, name: 'late', expiresAt };
    const refused = await hub.owner.post('/v1/agent-keys', body);
    expect(refused.body).toMatchObject({
      status: 400,
      code: 'VALIDATION_FAILED',
      errors: [{ pointer: '/expiresAt' }],
    });
  });

  test('are bound to networks, and then their verifier is of no secret to those who do not know that', async () => {
    const { body: made } = await hub.owner.post('/v1/agent-keys', {
      clusterId: cluster,
      name: 'bound',
      allowedNetworks: ['192.0.2.7', '2001:DB8::/32'],
    });
    expect(made.allowedNetworks).toEqual(['192.0.2.7/32', '2001:db8::/32']);
    const path = `/v1/agent-keys/${made.id}`;
    const rowOf = async () => {
      const sql = postgres(hub.databaseUrl, { max: 1 });
      const [row] = await sql`select verifier, restricted_verifier from agent_keys where id = ${made.id}`;
      await sql.end();
      return [row!.verifier, row!.restricted_verifier];
    };
    expect(await rowOf()).toEqual([noVerifier, verifierOf(made.secret)]);
    const wider = await hub.owner.patch(path, { allowedNetworks: ['0.0.0.0/0'] });
    expect(wider.body.allowedNetworks).toEqual(['0.0.0.0/0']);
    expect(await rowOf()).toEqual([noVerifier, verifierOf(made.secret)]);
    const same = await hub.owner.patch(path, { name: 'bound' });
    expect(same.headers.get('etag')).toBe(wider.headers.get('etag'));
    expect((await hub.owner.patch(path, { allowedNetworks: null })).body.allowedNetworks).toBeNull();
    expect(await rowOf()).toEqual([verifierOf(made.secret), null]);
    const log = JSON.stringify((await hub.owner.get(`/v1/audit-log?resourceId=${made.id}`)).body);
    expect(log).toContain('0.0.0.0/0');
    expect(log).not.toContain(verifierOf(made.secret));
  });

  test('are given a rate limit, another, and none', async () => {
    const rateLimit = { limit: 100, windowMs: 60_000 };
    const { body: made } = await hub.owner.post('/v1/agent-keys', {
      ...{ clusterId: cluster, name: 'limited', rateLimit },
    });
    expect(made.rateLimit).toEqual(rateLimit);
    const path = `/v1/agent-keys/${made.id}`;
    const slower = { limit: 1, windowMs: 1_000 };
    expect((await hub.owner.patch(path, { rateLimit: slower })).body.rateLimit).toEqual(slower);
    expect((await hub.owner.patch(path, { name: 'limited' })).body.rateLimit).toEqual(slower);
    expect((await hub.owner.patch(path, { rateLimit: null })).body.rateLimit).toBeNull();
    for (const bad of [{ limit: 0 }, { windowMs: 999 }, { windowMs: 1_500 }, { limit: 1.5 }, { more: 1 }]) {
      const refused = await hub.owner.patch(path, { rateLimit: { ...rateLimit, ...bad } });
      expect(refused.body, JSON.stringify(bad)).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
    }
  });

  describe('rotated', () => {
    const rowOf = async (id: string) => {
      const sql = postgres(hub.databaseUrl, { max: 1 });
      const [row] =
        await sql`select verifier, restricted_verifier, retiring from agent_keys where id = ${id}`;
      await sql.end();
      return row! as {
        verifier: string;
        restricted_verifier: string | null;
        retiring: { verifier: string; endsAtMs: number }[];
      };
    };
    const rotate = (id: string, body?: object, headers: Record<string, string> = {}) =>
      hub.owner.send('POST', `/v1/agent-keys/${id}/rotate`, { ...(body ? { body } : {}), headers });
    const inSeconds = (time: string) => (Date.parse(time) - Date.now()) / 1000;

    test('have a new secret, shown once, and the old one until the grace is over: a day if nobody says', async () => {
      const made = await make.agentKey(hub.owner, cluster);
      const rotated = await rotate(made.id);
      expect(rotated.status).toBe(200);
      expect(parseSecret('agentKey', rotated.body.secret)).toBe(made.id);
      expect(rotated.body.secret).not.toBe(made.secret);
      const [{ endsAt }] = rotated.body.retiring;
      expect(inSeconds(endsAt)).toBeGreaterThan(86_300);
      expect(inSeconds(endsAt)).toBeLessThanOrEqual(86_400);
      expect(await rowOf(made.id)).toEqual({
        verifier: verifierOf(rotated.body.secret),
        restricted_verifier: null,
        retiring: [{ verifier: verifierOf(made.secret), endsAtMs: Date.parse(endsAt) }],
      });
      const { body: read } = await hub.owner.get(`/v1/agent-keys/${made.id}`);
      expect(read).not.toHaveProperty('secret');
      expect(read.retiring).toEqual([{ endsAt }]);
      const log = (await hub.owner.get(`/v1/audit-log?resourceId=${made.id}`)).body;
      expect(log.items.map(({ action }: { action: string }) => action)).toContain('agent-key.rotate');
      for (const secret of [made.secret, rotated.body.secret])
        for (const told of [secret, verifierOf(secret)])
          expect(JSON.stringify([read, log]), '[law 10]').not.toContain(told);
    });

    test('again: no secret outlives its own grace or the last, and none is ended early that is not meant', async () => {
      const { id } = await make.agentKey(hub.owner, cluster);
      const ends = async (graceSeconds: number) => {
        const { body } = await rotate(id, { graceSeconds });
        return body.retiring.map(({ endsAt }: { endsAt: string }) => Math.ceil(inSeconds(endsAt) / 100));
      };
      expect(await ends(100)).toEqual([1]);
      expect(await ends(500)).toEqual([5, 1]);
      expect(await ends(300), 'shorter for all before').toEqual([3, 3, 1]);
      expect(await ends(900)).toEqual([9, 3, 3, 1]);
      const before = await rowOf(id);
      expect((await rotate(id, { graceSeconds: 900 })).body).toMatchObject({
        ...{ status: 409, code: 'TOO_MANY_SECRETS' },
      });
      expect(await rowOf(id), 'nothing changed').toEqual(before);
      expect(await ends(0), 'all others at once').toEqual([]);
      expect((await rowOf(id)).retiring).toEqual([]);
    });

    test('while bound to networks, stay closed to those who do not know these', async () => {
      const { body: made } = await hub.owner.post('/v1/agent-keys', {
        ...{ clusterId: cluster, name: 'bound', allowedNetworks: ['10.0.0.0/8'] },
      });
      const { body } = await rotate(made.id, { graceSeconds: 60 });
      const row = await rowOf(made.id);
      expect([row.verifier, row.restricted_verifier]).toEqual([noVerifier, verifierOf(body.secret)]);
      expect(row.retiring.map(({ verifier }) => verifier)).toEqual([verifierOf(made.secret)]);
    });

    test('once under one idempotency key, and only as they were read under If-Match', async () => {
      const made = await make.agentKey(hub.owner, cluster);
      const key = { 'idempotency-key': `rotate-${made.id}` };
      const first = await rotate(made.id, { graceSeconds: 60 }, key);
      const again = await rotate(made.id, { graceSeconds: 60 }, key);
      expect(again.status).toBe(200);
      expect(again.body).toMatchObject({ id: made.id, secretOmitted: true, retiring: first.body.retiring });
      expect(again.body).not.toHaveProperty('secret');
      expect((await rowOf(made.id)).verifier).toBe(verifierOf(first.body.secret));
      const stale = await rotate(made.id, {}, { 'if-match': '"of-before"' });
      expect(stale.status).toBe(412);
      const current = { 'if-match': first.headers.get('etag')! };
      expect((await rotate(made.id, { graceSeconds: 0 }, current)).status).toBe(200);
    });

    test.each([{ graceSeconds: -1 }, { graceSeconds: 2_592_001 }, { graceSeconds: 1.5 }, { grace: 1 }])(
      'not by %j',
      async (body) => {
        const { id } = await make.agentKey(hub.owner, cluster);
        expect((await rotate(id, body)).body.code).toBe('VALIDATION_FAILED');
      },
    );

    test('also where SQL has written nonsense beside them', async () => {
      const { id } = await make.agentKey(hub.owner, cluster);
      const sql = postgres(hub.databaseUrl, { max: 1 });
      await sql`update agent_keys set retiring = '[null, {}, {"verifier":"v","endsAtMs":1e300}]' where id = ${id}`;
      await sql.end();
      expect((await hub.owner.get(`/v1/agent-keys/${id}`)).body.retiring).toEqual([]);
      expect((await rotate(id)).body.retiring).toHaveLength(1);
    });
  });

  test.each([
    [[], '/allowedNetworks', 'must not be empty'],
    [['10.0.0.1/8'], '/allowedNetworks/0', 'must have no bits set beyond its length of 8'],
    [['10.0.0.0/8', 'example.com'], '/allowedNetworks/1', 'must be a network like'],
    [['::ffff:10.0.0.0/104'], '/allowedNetworks/0', 'must be written as a network of IPv4'],
    [['192.0.2.7', '192.0.2.7/32'], '/allowedNetworks', 'must not name a network twice'],
    [Array.from({ length: 65 }, (_, i) => `10.0.0.${i}`), '/allowedNetworks', 'at most 64'],
  ])('cannot be bound to %j', async (allowedNetworks, pointer, detail) => {
    const refused = await hub.owner.post('/v1/agent-keys', {
      ...{ clusterId: cluster, name: 'bound', allowedNetworks },
    });
    expect(refused.body).toMatchObject({
      ...{ status: 400, code: 'VALIDATION_FAILED' },
      errors: [{ pointer, detail: expect.stringContaining(detail) }],
    });
  });

  test('need a cluster that exists', async () => {
    const refused = await hub.owner.post('/v1/agent-keys', {
      clusterId: 'vci_00000000000000000000000000',
      name: 'lost',
    });
    expect(refused.body).toMatchObject({ status: 404, errors: [{ pointer: '/clusterId' }] });
  });

  test('are listed by cluster and status', async () => {
    const other = await make.cluster(hub.owner, await make.tenant(hub.owner), ['north']);
    const [a, b] = [await make.agentKey(hub.owner, other), await make.agentKey(hub.owner, other)];
    await hub.owner.patch(`/v1/agent-keys/${b.id}`, { status: 'disabled' });
    const ids = async (query: string) =>
      (await hub.owner.get(`/v1/agent-keys?${query}`)).body.items.map(({ id }: { id: string }) => id);
    expect(await ids(`clusterId=${other}`)).toEqual([a.id, b.id]);
    expect(await ids(`clusterId=${other}&status=disabled`)).toEqual([b.id]);
  });
});

describe('several agent keys at once', () => {
  const at = () => `/v1/clusters/${cluster}/agent-keys`;
  const named = (...names: string[]) => ({ keys: names.map((name) => ({ name })) });

  test('are made together, each with a secret that works, in the order asked for', async () => {
    const answer = await hub.owner.post(at(), {
      keys: [
        { name: 'batch a', permissions: ['read'], allowedNetworks: ['10.1.0.0/16'] },
        { name: 'batch b', expiresAt: '2099-01-01T00:00:00Z', rateLimit: { limit: 5, windowMs: 1000 } },
      ],
    });
    expect(answer.status).toBe(201);
    const { items } = answer.body;
    expect(items).toMatchObject([
      { name: 'batch a', permissions: ['read'], allowedNetworks: ['10.1.0.0/16'], clusterId: cluster },
      { name: 'batch b', expiresAt: '2099-01-01T00:00:00.000Z', rateLimit: { limit: 5, windowMs: 1000 } },
    ]);
    const sql = postgres(hub.databaseUrl, { max: 1 });
    for (const { id, secret, ...rest } of items) {
      expect((await hub.owner.get(`/v1/agent-keys/${id}`)).body).toMatchObject({ id, ...rest });
      const [row] = await sql`select verifier, restricted_verifier from agent_keys where id = ${id}`;
      expect(verifierMatches(secret, row!.restricted_verifier ?? row!.verifier)).toBe(true);
      const log = await hub.owner.get(`/v1/audit-log?resourceId=${id}`);
      expect(log.body.items).toMatchObject([{ action: 'agent-key.create', resourceId: id }]);
      expect(JSON.stringify(log.body)).not.toContain(secret);
    }
    await sql.end();
  });

  test('are made all or none: names that are taken are all named, and nothing is made', async () => {
    await hub.owner.post(at(), named('taken 1', 'taken 2'));
    const before = (await hub.owner.get(`/v1/agent-keys?clusterId=${cluster}&limit=200`)).body.items;
    const refused = await hub.owner.post(at(), named('free', 'taken 1', 'taken 2'));
    expect(refused).toMatchObject({ status: 409, body: { code: 'NAME_TAKEN' } });
    expect(refused.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/keys/1/name',
      '/keys/2/name',
    ]);
    const after = (await hub.owner.get(`/v1/agent-keys?clusterId=${cluster}&limit=200`)).body.items;
    expect(after).toEqual(before);
    for (const body of [
      named(),
      named('x', 'x'),
      { keys: [{ name: 'x', expiresAt: '2000-01-01T00:00:00Z' }] },
    ])
      expect(await hub.owner.post(at(), body)).toMatchObject({ status: 400 });
  });

  test('are made once by many at a time, and a replay omits the secrets', async () => {
    const racing = await Promise.all(
      Array.from({ length: 6 }, () => hub.owner.post(at(), named('raced 1', 'raced 2'))),
    );
    expect(racing.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    const once = { 'idempotency-key': 'several' };
    const first = await hub.owner.send('POST', at(), { body: named('once'), headers: once });
    const again = await hub.owner.send('POST', at(), { body: named('once'), headers: once });
    const [{ secret, ...rest }] = first.body.items;
    expect(again.body).toEqual({ items: [{ ...rest, secretOmitted: true }] });
    expect(secret).toMatch(/^spk_/);
  });
});
