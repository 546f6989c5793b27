import type postgres from 'postgres';
import { screens } from '../../../hub/console/screens.ts';
import type { Client } from '../support/client.ts';
import { document } from '../support/contract.ts';
import type { TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';
import { goodPassword, Visitor } from '../support/visitor.ts';
import { type FullHub, filledId, fullRegions } from './fill.ts';

/**
 * Asks a full hub for everything that its API can do: each operation of the document, and of those that read each
 * parameter by itself and each page behind a cursor, as the platform and as the largest tenant. What is new in the
 * document and not in here fails, and says what to add.
 */
export interface Tour {
  hub: TestHub;
  sql: postgres.Sql;
  size: FullHub;
  /** A region that can be worked with, and one more that may be removed. */
  region: string;
  /** Is told what comes next. */
  during(doing: string): void;
}

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
}

interface Operation {
  name: string;
  method: string;
  path: string;
  parameters: readonly Parameter[];
}

const operations: readonly Operation[] = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.entries(item as Record<string, { parameters?: Parameter[] }>).map(
    ([method, { parameters = [] }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters,
    }),
  ),
);

/** Functions a change calls plan anew five times and may then keep a plan for good: often enough to meet that one. */
const repetitions = 6;

export async function tour(parts: Tour): Promise<void> {
  const { hub } = parts;
  const tenant = filledId('ten', 1);
  const { secret } = await make.applicationKey(hub.owner, { role: 'owner', tenantId: tenant });
  const done = await changes(parts, tenant);
  await reads(parts, hub.owner, done);
  await reads(parts, hub.as(secret), done);
  await pages(parts);
  const missing = operations.filter(({ name }) => !done.operations.has(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new Error(`the tour of the API does not come to ${missing.join(', ')}: add them`);
}

/** What has been called, and what there is to read. */
interface Done {
  operations: Set<string>;
  ids: Record<string, string>;
}

/** Everything that writes, each several times. */
async function changes({ hub, sql, region, size, during }: Tour, tenantId: string): Promise<Done> {
  const { owner } = hub;
  const operations = new Set<string>();
  const call = async (name: string, path: string, body?: unknown, wanted?: number) => {
    const [method] = name.split(' ');
    during(name);
    const answer = await owner.send(method!, path, {
      ...(body === undefined ? {} : { body }),
      ...(method === 'POST' ? { headers: { 'idempotency-key': `tour-${++count}` } } : {}),
    });
    if (wanted === undefined ? answer.status >= 300 : answer.status !== wanted)
      throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    operations.add(name);
    return answer;
  };
  let count = 0;
  let ids: Record<string, string> = {};
  const placements = [{ region }];
  const further = await make.region(owner, 'toured-further');
  for (let time = 1; time <= repetitions; time++) {
    const made = async (name: string, body: unknown) =>
      (await call(name, name.slice('POST '.length), body)).body.id;
    const own = await made('POST /v1/tenants', {
      name: `toured ${time}`,
      quotas: { agentKeys: 1000, clusters: 10, regions: 3 },
    });
    await call('PATCH /v1/tenants/{id}', `/v1/tenants/${own}`, { allowedRegions: [region] });
    await call('PATCH /v1/tenants/{id}', `/v1/tenants/${tenantId}`, {
      status: time % 2 === 0 ? 'active' : 'suspended',
      quotas: { agentKeys: size.keys, clusters: size.clusters, regions: 50 },
    });
    const upstreamUrl = 'http://up.example/';
    const ownCluster = await made('POST /v1/clusters', {
      tenantId: own,
      name: 'toured',
      upstreamUrl,
      placements,
    });
    const cluster = await made('POST /v1/clusters', {
      tenantId,
      name: `toured ${time}`,
      upstreamUrl,
      placements,
    });
    await call('PATCH /v1/clusters/{id}', `/v1/clusters/${cluster}`, {
      settings: { time },
      placements: [{ region: further }],
    });
    await call('PATCH /v1/clusters/{id}', `/v1/clusters/${filledId('vci', 1)}`, { settings: { time } });
    const key = await made('POST /v1/agent-keys', { clusterId: cluster, name: `toured ${time}` });
    await made('POST /v1/agent-keys', { clusterId: ownCluster, name: 'toured' });
    await call('POST /v1/clusters/{id}/agent-keys', `/v1/clusters/${cluster}/agent-keys`, {
      keys: [{ name: 'one' }, { name: 'two' }],
    });
    const imported = String(time).repeat(64).slice(0, 64);
    await made('POST /v1/agent-keys/import', {
      clusterId: cluster,
      name: 'imported',
      secretSha256: imported,
    });
    await call('PATCH /v1/agent-keys/{id}', `/v1/agent-keys/${key}`, { status: 'disabled' });
    await call('PATCH /v1/agent-keys/{id}', `/v1/agent-keys/${filledId('aki', time)}`, {
      permissions: ['read'],
    });
    await call('POST /v1/agent-keys/{id}/rotate', `/v1/agent-keys/${key}/rotate`, { graceSeconds: 0 });
    await call('POST /v1/contexts/{kind}/{key}/refresh', `/v1/contexts/agent-key/${key}/refresh`);
    await call('DELETE /v1/agent-keys/{id}', `/v1/agent-keys/${key}`);
    await call('DELETE /v1/clusters/{id}', `/v1/clusters/${cluster}`);
    await call('POST /v1/clusters/{id}/undelete', `/v1/clusters/${cluster}/undelete`);
    await call('DELETE /v1/tenants/{id}', `/v1/tenants/${own}?cascade=true`);
    await call('POST /v1/tenants/{id}/undelete', `/v1/tenants/${own}/undelete`);
    const app = await made('POST /v1/application-keys', { role: 'viewer', name: 'toured', tenantId });
    await call('PATCH /v1/application-keys/{id}', `/v1/application-keys/${app}`, { name: 'toured again' });
    await call('DELETE /v1/application-keys/{id}', `/v1/application-keys/${app}`);
    const memberships = [{ tenantId, role: 'viewer' }];
    const user = await made('POST /v1/users', { email: `toured-${time}@example.com`, memberships });
    await call('PATCH /v1/users/{id}', `/v1/users/${user}`, { name: 'toured' });
    await call('POST /v1/users/{id}/links', `/v1/users/${user}/links`, { purpose: 'invitation' });
    await call('DELETE /v1/users/{id}', `/v1/users/${user}`);
    const other = await made('POST /v1/regions', {
      id: `toured-${time}`,
      store: { endpoint: 'http://127.0.0.1:1/', table: `toured-${time}` },
    });
    await call('PATCH /v1/regions/{id}', `/v1/regions/${other}`, { status: 'draining' });
    await call('PUT /v1/regions/{id}/freeze', `/v1/regions/${region}/freeze`, {
      mode: 'all',
      reason: 'toured',
    });
    await call('DELETE /v1/regions/{id}/freeze', `/v1/regions/${region}/freeze`);
    await call('PUT /v1/freeze', '/v1/freeze', { mode: 'loosening', reason: 'toured' });
    await call('DELETE /v1/freeze', '/v1/freeze');
    const seeding = await made('POST /v1/seedings', { region });
    const sweep = await made('POST /v1/sweeps', { region });
    await sql`update sweeps set status = 'completed', plan = 'toured', finished_at = now() where id = ${sweep}`;
    await call('POST /v1/sweeps/{id}/approve', `/v1/sweeps/${sweep}/approve`, undefined, 409); // nothing is held so
    await sql`update regions set status = 'disabled' where id = ${other}`;
    await call('DELETE /v1/regions/{id}', `/v1/regions/${other}`);
    ids = { tenant: tenantId, cluster: filledId('vci', 1), 'agent-key': filledId('aki', 20), seeding, sweep };
  }
  const someone = await make.user(owner, [{ tenantId, role: 'viewer' }]);
  const app = await make.applicationKey(owner, { role: 'viewer', tenantId });
  const own = await make.applicationKey(owner, { role: 'owner', tenantId });
  const fence = (
    await hub.as(own.secret).patch(`/v1/clusters/${filledId('vci', 11)}`, { settings: { own: true } })
  ).headers.get('spokecast-fence')!;
  return { operations, ids: { ...ids, user: someone.id, 'application-key': app.id, fence } };
}

/** Every operation that reads, with each of its parameters by itself, on the first page and on one far behind. */
async function reads(
  { size, region, during }: Tour,
  client: Client,
  { operations: called, ids }: Done,
): Promise<void> {
  const values = valuesOf(size, region);
  for (const { name, path, parameters } of operations.filter(({ method }) => method === 'GET')) {
    if (path === '/v1/events') values.since = ['oldest', 'now'];
    values.search = searchesOf[path] ?? [];
    const at = path.replaceAll(/\{(\w+)\}/g, (_, parameter) => pathValue(path, parameter, ids, region));
    const ask = async (query: string) => {
      during(`${name}${query}`);
      const answer = await client.get(`${at}${query}`);
      if (answer.status === 200) called.add(name);
      else if (![400, 403, 404].includes(answer.status))
        throw new Error(`${name}${query}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer;
    };
    const filters = parameters.filter(
      (one) => one.in === 'query' && !['limit', 'cursor', 'wait', 'timeoutMs'].includes(one.name),
    );
    const queries = filters.flatMap((one) => {
      const known =
        values[
          path === '/v1/audit-log' && ['since', 'until'].includes(one.name) ? `audit ${one.name}` : one.name
        ];
      if (!known || known.length === 0)
        throw new Error(`add a value of the parameter ${one.name} of ${name} to the tour`);
      return known.map((value) => `?${one.name}=${encodeURIComponent(value)}`);
    });
    for (const query of ['', ...queries]) {
      const { body } = await ask(query);
      if (typeof body?.nextCursor !== 'string') continue;
      await ask(`${query}${query === '' ? '?' : '&'}limit=200&cursor=${body.nextCursor}`);
      const far = farCursor(body.nextCursor);
      if (far) await ask(`${query}${query === '' ? '?' : '&'}cursor=${far}`);
    }
  }
}

/** What there is of each filter: what much is found by, what little is, and what nothing is. */
function valuesOf({ clusters, history }: FullHub, region: string): Record<string, string[]> {
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  return {
    tenantId: [filledId('ten', 1), filledId('ten', 2)],
    clusterId: [filledId('vci', 1), filledId('vci', clusters)],
    userId: [filledId('usr', 1)],
    region: [fullRegions[0]!, region],
    status: ['active', 'disabled', 'suspended', 'completed', 'failed', 'requested', 'draining'],
    name: ['cluster 17', 'Zebra cluster 5', 'nothing of the kind'],
    email: ['person17@example.com'],
    role: ['viewer', 'owner'],
    kind: ['agent-key', 'tenant'],
    reason: ['budget', 'invalid'],
    resourceType: ['agent-key', 'tenant'],
    resourceId: [filledId('aki', history)],
    action: ['agent-key.create', 'agent-key.delete', 'nothing.done'],
    actorId: [filledId('apk', 1), 'apk_nobody'],
    'audit since': [ago(7), ago(-1)],
    'audit until': [ago(7), ago(365)],
    minutes: ['60', '1440'],
    unusedSince: [ago(90), ago(0)],
  };
}

/** What all begins with, what little does and what nothing does; and an id. */
const searchesOf: Record<string, string[]> = {
  '/v1/tenants': ['t', 'zebra', 'tenant 17', 'nothing of the kind', filledId('ten', 7)],
  '/v1/clusters': ['c', 'zebra', 'cluster 17', 'nothing of the kind', filledId('vci', 7)],
  '/v1/agent-keys': ['k', 'zebra', 'key 17', 'nothing of the kind', filledId('aki', 7)],
};

function pathValue(path: string, parameter: string, ids: Record<string, string>, region: string): string {
  if (path.startsWith('/v1/contexts/')) return parameter === 'kind' ? 'agent-key' : ids['agent-key']!;
  const [, , list] = path.split('/');
  const value =
    list === 'regions' ? (path.endsWith('/holds') ? fullRegions[0] : region) : ids[list!.replace(/s$/, '')];
  if (!value) throw new Error(`add a value of {${parameter}} in ${path} to the tour`);
  return value;
}

/** A cursor of the same list behind most of what was filled in; none where it is not made of ids like these. */
function farCursor(cursor: string): string | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  const far = text.replace(/(_0{16})\d{10}$/, (_, zeros: string) => `${zeros}0000003000`);
  return far === text ? undefined : Buffer.from(far).toString('base64url');
}

/** Every page of the console that needs no id: they read through the API, and sessions beside it. */
async function pages({ hub, during }: Tour): Promise<void> {
  const visitor = new Visitor(hub.url);
  const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'owner' }]);
  during('console: signing in');
  await visitor.follow(link, { password: goodPassword, passwordAgain: goodPassword, name: 'toured' });
  for (const { method, path } of screens) {
    if (method !== 'GET' || /[{:]/.test(path)) continue;
    during(`console: ${path}`);
    const { status } = await visitor.open(path);
    if (status >= 300) throw new Error(`console: ${path}: ${status}`);
  }
  during('console: searches');
  for (const path of [
    '/clusters?search=zebra',
    '/tenants?search=t',
    '/agent-keys?search=key%201',
    '/audit-log',
  ])
    if ((await visitor.open(path)).status >= 300) throw new Error(`console: ${path}`);
}
