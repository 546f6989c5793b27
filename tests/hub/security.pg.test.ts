import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newId } from '../../contexts/ids.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { allows, type Operation } from '../../hub/access.ts';
import { routes } from '../../hub/routes.ts';
import { document } from './support/contract.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

/**
 * Every operation of the OpenAPI document against everyone who must not get at it. A new route is in here as soon
 * as it is in the document; what it needs for a path or a body is added to `paths` and `bodies`, and until then
 * the suite fails.
 */
const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.keys(item as object).map((method) => ({
    method: method.toUpperCase(),
    path,
    name: `${method.toUpperCase()} ${path}`,
  })),
);

let hub: TestHub;
let sql: postgres.Sql;
/** Of a tenant that none of the intruders belongs to. */
let theirs: Record<string, string>;
let ownTenant: string;

beforeAll(async () => {
  hub = await startHub({
    environment: { SPOKECAST_FAILED_LOGINS_MAX: '100000', SPOKECAST_STORE_READ_TIMEOUT_MS: '50' },
  });
  sql = postgres(hub.databaseUrl, { max: 1 });
  const region = await make.region(hub.owner, 'north');
  const tenant = await make.tenant(hub.owner, 'Theirs');
  const cluster = await make.cluster(hub.owner, tenant, [region]);
  const agentKey = (await make.agentKey(hub.owner, cluster)).id;
  const applicationKey = (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).id;
  const user = (await make.user(hub.owner, [{ tenantId: tenant, role: 'viewer' }])).id;
  const sweep = (await hub.owner.post('/v1/sweeps', { region })).body.id;
  const ownKey = await make.applicationKey(hub.owner, { role: 'admin', tenantId: tenant });
  const changed = await hub.as(ownKey.secret).patch(`/v1/clusters/${cluster}`, { settings: { a: 1 } });
  const fence = changed.headers.get('spokecast-fence')!;
  const seeding = (await hub.owner.post('/v1/seedings', { region })).body.id;
  const deletedTenant = await make.tenant(hub.owner, 'Theirs once');
  await hub.owner.delete(`/v1/tenants/${deletedTenant}`);
  const deletedCluster = await make.cluster(hub.owner, tenant, [region]);
  await hub.owner.delete(`/v1/clusters/${deletedCluster}`);
  theirs = {
    deletedTenant,
    deletedCluster,
    region,
    tenant,
    cluster,
    agentKey,
    applicationKey,
    user,
    sweep,
    seeding,
    fence,
  };
  ownTenant = await make.tenant(hub.owner, 'Own');
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

/** The other tenant's thing at each path. */
const paths = (): Record<string, string> => ({
  '/v1/tenants': '/v1/tenants',
  '/v1/tenants/{id}': `/v1/tenants/${theirs.tenant}`,
  '/v1/tenants/{id}/residency': `/v1/tenants/${theirs.tenant}/residency`,
  '/v1/tenants/{id}/undelete': `/v1/tenants/${theirs.deletedTenant}/undelete`,
  '/v1/clusters': '/v1/clusters',
  '/v1/clusters/{id}': `/v1/clusters/${theirs.cluster}`,
  '/v1/clusters/{id}/undelete': `/v1/clusters/${theirs.deletedCluster}/undelete`,
  '/v1/deletions': '/v1/deletions',
  '/v1/clusters/{id}/agent-keys': `/v1/clusters/${theirs.cluster}/agent-keys`,
  '/v1/agent-keys': '/v1/agent-keys',
  '/v1/agent-keys/import': '/v1/agent-keys/import',
  '/v1/agent-keys/{id}': `/v1/agent-keys/${theirs.agentKey}`,
  '/v1/agent-keys/{id}/rotate': `/v1/agent-keys/${theirs.agentKey}/rotate`,
  '/v1/application-keys': '/v1/application-keys',
  '/v1/application-keys/{id}': `/v1/application-keys/${theirs.applicationKey}`,
  '/v1/users': '/v1/users',
  '/v1/users/{id}': `/v1/users/${theirs.user}`,
  '/v1/users/{id}/links': `/v1/users/${theirs.user}/links`,
  '/v1/regions': '/v1/regions',
  '/v1/regions/{id}': `/v1/regions/${theirs.region}`,
  '/v1/regions/{id}/gateways': `/v1/regions/${theirs.region}/gateways`,
  '/v1/lags': '/v1/lags',
  '/v1/region-figures': '/v1/region-figures',
  '/v1/fences': '/v1/fences',
  '/v1/fences/{id}': `/v1/fences/${theirs.fence}`,
  '/v1/contexts/{kind}/{key}': `/v1/contexts/cluster/${theirs.cluster}`,
  '/v1/contexts/{kind}/{key}/history': `/v1/contexts/cluster/${theirs.cluster}/history`,
  '/v1/contexts/{kind}/{key}/refresh': `/v1/contexts/cluster/${theirs.cluster}/refresh`,
  '/v1/sweeps': '/v1/sweeps',
  '/v1/sweeps/{id}': `/v1/sweeps/${theirs.sweep}`,
  '/v1/sweeps/{id}/approve': `/v1/sweeps/${theirs.sweep}/approve`,
  '/v1/regions/{id}/holds': `/v1/regions/${theirs.region}/holds`,
  '/v1/regions/{id}/freeze': `/v1/regions/${theirs.region}/freeze`,
  '/v1/freeze': '/v1/freeze',
  '/v1/seedings': '/v1/seedings',
  '/v1/seedings/{id}': `/v1/seedings/${theirs.seeding}`,
  '/v1/audit-log': '/v1/audit-log',
  '/v1/events': '/v1/events?since=oldest',
  '/v1/whoami': '/v1/whoami',
});

/** A body that would change the other tenant's things. */
const bodies = (): Record<string, object> => ({
  'POST /v1/tenants': { name: 'intruder' },
  'PATCH /v1/tenants/{id}': { name: 'intruded' },
  'POST /v1/clusters': {
    tenantId: theirs.tenant,
    name: 'intruder',
    upstreamUrl: 'http://up.example',
    placements: [{ region: theirs.region }],
  },
  'PATCH /v1/clusters/{id}': { name: 'intruded' },
  'POST /v1/clusters/{id}/agent-keys': { keys: [{ name: 'intruder' }] },
  'POST /v1/agent-keys': { clusterId: theirs.cluster, name: 'intruder' },
  'POST /v1/agent-keys/import': {
    clusterId: theirs.cluster,
    name: 'intruder',
    secretSha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  },
  'PATCH /v1/agent-keys/{id}': { name: 'intruded' },
  'POST /v1/agent-keys/{id}/rotate': { graceSeconds: 0 },
  'POST /v1/application-keys': { role: 'viewer', name: 'intruder', tenantId: theirs.tenant },
  'PATCH /v1/application-keys/{id}': { name: 'intruded' },
  'POST /v1/users': {
    email: 'intruder@example.com',
    memberships: [{ tenantId: theirs.tenant, role: 'viewer' }],
  },
  'PATCH /v1/users/{id}': { name: 'intruded' },
  'POST /v1/users/{id}/links': { purpose: 'invitation' },
  'POST /v1/regions': { id: 'intruder', store: { table: 'intruder' } },
  'PATCH /v1/regions/{id}': { status: 'disabled' },
  'POST /v1/sweeps': { region: theirs.region },
  'POST /v1/seedings': { region: theirs.region },
});

interface Attempt {
  method: string;
  path: string;
  name: string;
}

function attempt(
  secret: string | undefined,
  { method, path, name }: Attempt,
  headers: Record<string, string> = {},
) {
  const concrete = paths()[path];
  if (!concrete) throw new Error(`add an example of ${path} to this suite`);
  const body = bodies()[name];
  const needsBody = method === 'PATCH' || (method === 'POST' && !/\/(refresh|approve|undelete)$/.test(path));
  if (needsBody && !body) throw new Error(`add a body for ${name} to this suite`);
  return hub.as(secret).send(method, concrete, { ...(body ? { body } : {}), headers });
}

/** Everything there is, but for when keys were last used. */
async function everything(): Promise<unknown> {
  const keys = sql`select id, role, name, status, verifier from application_keys order by id`;
  const tables = [
    'tenants',
    'clusters',
    'placements',
    'agent_keys',
    'regions',
    'heads',
    'outbox',
    'sweeps',
    'holds',
    'freezes',
    'seedings',
    'audit_log',
    'idempotency_keys',
    'fences',
    'fence_regions',
    'deletions',
    'deleted_rows',
    'users',
    'memberships',
    'sessions',
    'one_time_links',
  ];
  return [
    await keys,
    ...(await Promise.all(tables.map((table) => sql`select * from ${sql(table)} order by 1, 2`))),
  ];
}

const reads = (operation: Attempt) => operation.method === 'GET';
const isOwn = ({ path }: Attempt) => ['/v1/events', '/v1/whoami'].includes(path);
const isList = (operation: Attempt) => reads(operation) && !operation.path.includes('{') && !isOwn(operation);
const needOf = ({ method, path }: Attempt): Operation =>
  routes.find((route) => route.method === method && route.path === path)!.operation;

test('the document holds every route, and the suite every operation of it', () => {
  expect(operations.map(({ name }) => name).sort()).toEqual(
    routes.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  expect(operations.length).toBeGreaterThan(30);
});

describe.each(operations)('$name', (operation) => {
  let before: unknown;
  beforeEach(async () => {
    before = await everything();
  });

  test('without a key, with a malformed or an unknown one: 401, and nothing happens', async () => {
    const unknown = newSecret(
      'applicationKey',
      newId('applicationKey', systemClock, systemRandom),
      systemRandom,
    );
    const agentKey = newSecret('agentKey', theirs.agentKey!, systemRandom);
    for (const secret of [
      undefined,
      '',
      'x',
      `${hub.owner.secret}x`,
      `${hub.owner.secret!.slice(0, -1)}~`,
      unknown,
      agentKey,
    ]) {
      const answer = await attempt(secret, operation);
      expect(answer.body, String(secret)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    }
    expect((await attempt(undefined, operation, { authorization: `Basic ${hub.owner.secret}` })).status).toBe(
      401,
    );
    expect(await everything()).toEqual(before);
  });

  test('with a wrong secret for a real key: 401', async () => {
    const id = (await sql`select id from application_keys where name = 'test owner'`)[0]!.id;
    expect((await attempt(newSecret('applicationKey', id, systemRandom), operation)).status).toBe(401);
  });

  test('with a key that is disabled, expired or revoked: 401, and nothing happens', async () => {
    const [disabled, expired, revoked] = await Promise.all(
      [1, 2, 3].map(() => make.applicationKey(hub.owner, { role: 'owner' })),
    );
    await hub.owner.patch(`/v1/application-keys/${disabled!.id}`, { status: 'disabled' });
    await sql`update application_keys set expires_at = now() - interval '1 second' where id = ${expired!.id}`;
    await hub.owner.delete(`/v1/application-keys/${revoked!.id}`);
    const prepared = await everything();
    for (const key of [disabled!, expired!, revoked!])
      expect((await attempt(key.secret, operation)).status).toBe(401);
    expect(await everything()).toEqual(prepared);
    await hub.owner.delete(`/v1/application-keys/${disabled!.id}`);
    await hub.owner.delete(`/v1/application-keys/${expired!.id}`);
  });

  test('with every kind of key: what the matrix forbids is 403, and nothing happens', async () => {
    for (const tenantId of [null, ownTenant]) {
      for (const role of ['viewer', 'admin', 'owner'] as const) {
        if (allows({ role, tenantId }, needOf(operation))) continue;
        const key = await make.applicationKey(hub.owner, { role, tenantId });
        const prepared = await everything();
        expect((await attempt(key.secret, operation)).body, `${role} of ${tenantId}`).toMatchObject({
          status: 403,
          code: 'FORBIDDEN',
        });
        expect(await everything()).toEqual(prepared);
        await hub.owner.delete(`/v1/application-keys/${key.id}`);
      }
    }
    if (!reads(operation))
      expect(allows({ role: 'viewer', tenantId: null }, needOf(operation)), 'viewers write nothing').toBe(
        false,
      );
  });

  test("with another tenant's owner key: its things are not there, and stay as they are", async () => {
    if (!allows({ role: 'owner', tenantId: ownTenant }, needOf(operation))) return; // 403, see above
    const key = await make.applicationKey(hub.owner, { role: 'owner', tenantId: ownTenant });
    const prepared = await everything();
    const answer = await attempt(
      key.secret,
      operation,
      operation.method === 'POST' ? { 'idempotency-key': 'x' } : {},
    );
    if (isList(operation)) {
      const others = await hub.as(key.secret).get(`${operation.path}?limit=200&tenantId=${theirs.tenant}`);
      expect(others.status === 200 ? others.body.items : others.body.errors).toEqual(
        others.status === 200 ? [] : [expect.objectContaining({ pointer: '?tenantId' })],
      );
      const shown = JSON.stringify((await hub.as(key.secret).get(`${operation.path}?limit=200`)).body);
      for (const [what, id] of Object.entries(theirs)) if (what !== 'region') expect(shown).not.toContain(id);
      expect(shown).not.toContain('Theirs');
    } else if (isOwn(operation)) {
      // Never refused, and of the key's own tenant alone; events.pg.test.ts reads further into the stream.
      expect(answer.status).toBe(200);
      const shown = JSON.stringify(answer.body);
      for (const [what, id] of Object.entries(theirs)) if (what !== 'region') expect(shown).not.toContain(id);
    } else if (operation.path === '/v1/regions/{id}') {
      // Regions are nobody's; where their stores are, and how they fare, is the platform's.
      expect(Object.keys(answer.body).sort()).toEqual(['createdAt', 'id', 'status', 'updatedAt']);
    } else {
      expect(answer.body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
      const absent = JSON.stringify(answer.body).replaceAll(/(ten|vci|aki|apk)_[0-9a-z]{26}/g, '');
      expect(absent).not.toContain('Theirs');
    }
    expect(await everything()).toEqual(prepared);
    await hub.owner.delete(`/v1/application-keys/${key.id}`);
  });

  test('with a body that is too large: 413, and nothing happens', async () => {
    if (reads(operation)) return;
    const body = { name: 'x'.repeat(70_000) };
    const answer = await hub.owner
      .send(operation.method, paths()[operation.path]!, { body })
      .catch((error) => {
        // The hub may have closed the connection before all of it was sent.
        if (!String(error.cause).match(/other side closed|ECONNRESET|EPIPE/)) throw error;
      });
    if (answer) expect(answer.body).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    expect(await everything()).toEqual(before);
  });
});
