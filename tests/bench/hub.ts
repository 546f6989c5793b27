import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { createApplicationKey } from '../../hub/bootstrap.ts';
import { type FullHub, fill, filledId, fullRegions } from '../hub/load/fill.ts';
import { walkPlans } from '../hub/load/walk.ts';
import { percentile } from '../replication/support/watching.ts';
import { type LoadOperation, type Measured, mixedLoad, printLoad } from './support/hub-load.ts';
import { count, during, line } from './support/printing.ts';
import { Rig } from './support/rig.ts';
import { duration } from './support/waiting.ts';

export interface HubOptions {
  size: FullHub;
  concurrencies: readonly number[];
  /** Seconds of load at each concurrency. */
  seconds: number;
  /** Judges the plans of all statements instead of measuring. */
  plans: boolean;
}

const peerMain = fileURLToPath(new URL('./peers/postgres-http.ts', import.meta.url));
const places = ['bench-1', 'bench-2'];
const goals = { listMsP99: 50, createMsP99: 30 };

/**
 * The hub's process on a full database, under a mixed load of reads and writes by the platform's key and by tenants',
 * beside the bare loop of peers/postgres-http.ts. No publisher runs: what changes stays in the outbox.
 */
export async function hub({ size, concurrencies, seconds, plans }: HubOptions): Promise<void> {
  await using rig = await Rig.start();
  let filling = '';
  const ms = await duration(() =>
    during(
      'filling the hub',
      () =>
        fill(rig.sql, size, (what) => {
          filling = what;
        }),
      () => filling,
    ),
  );
  line(
    `${count(size.clusters)} clusters, ${count(size.keys)} agent keys`,
    `filled in ${(ms / 1000).toFixed(1)} s`,
  );
  if (plans) return judged(rig, size);
  for (const id of places) await rig.addRegion({ region: id, endpoint: 'http://127.0.0.1:1', table: id });
  const platform = await createApplicationKey(rig.databaseUrl, { role: 'owner', name: 'bench' });
  const tenantIds = [1, 2, 3].map((number) => filledId('ten', number));
  const tenants = await Promise.all(
    tenantIds.map(async (tenantId) => ({
      tenantId,
      ...(await createApplicationKey(rig.databaseUrl, { role: 'owner', name: 'bench', tenantId })),
    })),
  );
  const { url } = await rig.startHub();
  const bareUrl = await rig.startProgram('peer', peerMain, {
    PEER_TENANT: tenantIds[0]!,
    PEER_CLUSTER: filledId('vci', 1),
  });
  const operations = operationsOf(url, size, platform.secret, tenants);
  await during('warming up', () => mixedLoad(operations, { concurrency: 4, seconds: 2 }));
  for (const concurrency of concurrencies) {
    const bare = await mixedLoad(bareOperations(bareUrl), { concurrency, seconds: Math.max(2, seconds / 3) });
    const measured = await mixedLoad(operations, { concurrency, seconds });
    console.log(`\n## ${concurrency} callers at once`);
    printLoad(bare, Math.max(2, seconds / 3), () => Number.NaN);
    printLoad(measured, seconds, bareMiddle(bare));
  }
  await notifications(rig.sql, Math.max(...concurrencies));
  await quotas(rig.sql, size);
}

async function judged(rig: Rig, size: FullHub): Promise<void> {
  const { statements, faults, idle } = await during('judging plans', () => walkPlans(rig.databaseUrl, size));
  for (const fault of faults) console.log(`\n${fault}`);
  for (const reason of idle) console.log(`\nno statement needs the exemption any more: ${reason}`);
  line('different statements', count(statements));
  line('of these with a fault', count(faults.length));
  if (faults.length > 0) throw new Error('statements read more than they may');
}

function bareOperations(url: string): LoadOperation[] {
  return ['GET', 'POST'].map((method) => ({
    name: method === 'GET' ? 'bare: a page of keys' : 'bare: insert a key',
    next: () => ({ method, url, wanted: 200 }),
  }));
}

/** Reads are compared with the bare read, writes with the bare insert. */
function bareMiddle([read, write]: readonly Measured[]): (name: string) => number {
  return (name) => percentile((/^(list|read)/.test(name) ? read : write)!.latenciesMs, 0.5);
}

function operationsOf(
  url: string,
  { clusters, keys, history }: FullHub,
  owner: string,
  tenants: readonly { tenantId: string; secret: string }[],
): LoadOperation[] {
  const upTo = (number: number) => 1 + Math.floor(systemRandom.fraction() * number);
  const someTenant = () => tenants[upTo(tenants.length) - 1]!;
  const place = () => places[upTo(places.length) - 1]!;
  const cursor = (list: string, id: string) => Buffer.from(`${list}/${id}`).toString('base64url');
  const get = (name: string, path: () => string, secret = () => owner): LoadOperation => ({
    name,
    ...(name.startsWith('list') ? { goalMsP99: goals.listMsP99 } : {}),
    next: () => ({ method: 'GET', url: url + path(), secret: secret(), wanted: 200 }),
  });
  const madeKeys: string[] = [];
  const madeClusters: string[] = [];
  let number = 0;
  const create = (
    name: string,
    path: string,
    body: () => object,
    made: string[],
    secret = () => owner,
  ): LoadOperation => ({
    name,
    goalMsP99: goals.createMsP99,
    next: () => ({ method: 'POST', url: url + path, secret: secret(), body: body(), wanted: 201 }),
    answered: ({ id }) => void made.push(id!),
  });
  const change = (name: string, path: () => string, body: () => object): LoadOperation => ({
    name,
    next: () => ({ method: 'PATCH', url: url + path(), secret: owner, body: body(), wanted: 200 }),
  });
  const ownKey = (): LoadOperation => {
    let chosen = tenants[0]!;
    return create(
      "create an agent key, by a tenant's key",
      '/v1/agent-keys',
      () => ({ clusterId: filledId('vci', 11), name: `bench ${++number}` }),
      [],
      () => {
        chosen = tenants[0]!;
        return chosen.secret;
      },
    );
  };
  return [
    get('list clusters', () => '/v1/clusters'),
    get(
      'list clusters, deep',
      () => `/v1/clusters?cursor=${cursor('clusters', filledId('vci', upTo(clusters)))}`,
    ),
    get('list clusters of a tenant, 200', () => `/v1/clusters?limit=200&tenantId=${someTenant().tenantId}`),
    get('list clusters by name', () => `/v1/clusters?search=cluster%20${upTo(clusters)}`),
    get(
      'list clusters in a region',
      () =>
        `/v1/clusters?region=${fullRegions[upTo(20) - 1]}&cursor=${cursor('clusters', filledId('vci', upTo(clusters)))}`,
    ),
    get('list clusters that are disabled', () => '/v1/clusters?status=disabled'),
    get(
      'list agent keys, deep',
      () => `/v1/agent-keys?cursor=${cursor('agent-keys', filledId('aki', upTo(keys)))}`,
    ),
    get(
      'list agent keys of a tenant, deep',
      () =>
        `/v1/agent-keys?tenantId=${someTenant().tenantId}&cursor=${cursor('agent-keys', filledId('aki', upTo(keys)))}`,
    ),
    get(
      "list agent keys, by a tenant's key",
      () => '/v1/agent-keys',
      () => someTenant().secret,
    ),
    get('list agent keys of a cluster', () => `/v1/agent-keys?clusterId=${filledId('vci', upTo(clusters))}`),
    get('list agent keys by name', () => `/v1/agent-keys?search=key%20${upTo(keys)}`),
    get(
      "list agent keys by name, by a tenant's key",
      () => '/v1/agent-keys?search=key',
      () => someTenant().secret,
    ),
    get('list tenants', () => '/v1/tenants'),
    get('list the audit log', () => '/v1/audit-log'),
    get(
      'list the audit log of a tenant',
      () => '/v1/audit-log',
      () => someTenant().secret,
    ),
    get(
      'list the audit log of a thing',
      () => `/v1/audit-log?resourceType=agent-key&resourceId=${filledId('aki', upTo(history))}`,
    ),
    get('list fences', () => '/v1/fences'),
    get('read a cluster', () => `/v1/clusters/${filledId('vci', upTo(clusters))}`),
    get('read an agent key', () => `/v1/agent-keys/${filledId('aki', upTo(keys))}`),
    get(
      'read the history of a context',
      () => `/v1/contexts/agent-key/${filledId('aki', upTo(keys))}/history`,
    ),
    create('create a tenant', '/v1/tenants', () => ({ name: `bench ${++number}` }), []),
    create(
      'create a cluster, placed',
      '/v1/clusters',
      () => ({
        tenantId: someTenant().tenantId,
        name: `bench ${++number}`,
        upstreamUrl: 'http://up.example',
        placements: [{ region: place() }],
      }),
      madeClusters,
    ),
    create(
      'create an agent key',
      '/v1/agent-keys',
      () => ({ clusterId: filledId('vci', upTo(clusters)), name: `bench ${++number}` }),
      madeKeys,
    ),
    ownKey(),
    change(
      'change a cluster',
      () => `/v1/clusters/${filledId('vci', upTo(clusters))}`,
      () => ({ settings: { number: ++number } }),
    ),
    change(
      'change an agent key',
      () => `/v1/agent-keys/${filledId('aki', upTo(keys))}`,
      () => ({ permissions: [`p${++number}`] }),
    ),
    {
      name: 'move a cluster',
      next: () => {
        const id = madeClusters[upTo(madeClusters.length) - 1];
        return id
          ? {
              method: 'PATCH',
              url: `${url}/v1/clusters/${id}`,
              secret: owner,
              body: { placements: [{ region: place() }] },
              wanted: 200,
            }
          : { method: 'GET', url: `${url}/healthz`, wanted: 200 };
      },
    },
    {
      name: 'revoke an agent key',
      next: () => {
        const id = madeKeys.pop();
        return id
          ? { method: 'DELETE', url: `${url}/v1/agent-keys/${id}`, secret: owner, wanted: 204 }
          : { method: 'GET', url: `${url}/healthz`, wanted: 200 };
      },
    },
  ];
}

/** What the event row and the notification cost that each entry of the audit log brings with it, in its transaction. */
async function notifications(sql: postgres.Sql, concurrency: number): Promise<void> {
  console.log(`\n## an entry of the audit log, ${concurrency} at once`);
  let number = 0;
  const entries = async (rows: number) => {
    const results = await settleBounded(
      Array.from({ length: rows }),
      concurrency,
      () => sql`
      insert into audit_log (id, actor_id, actor_name, action, resource_type, resource_id, request_id)
      values (${`aud_bench${++number}`}, 'bench', 'bench', 'bench.create', 'bench', 'bench', 'bench')`,
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
  const rows = 2000;
  await entries(200);
  for (const [what, trigger] of [
    ['with its event and notification', undefined],
    ['with its event', 'hint_events on events'],
    ['alone', 'tell_audit on audit_log'],
  ] as const) {
    const [name, table] = trigger?.split(' on ') ?? [];
    if (name) await sql.unsafe(`alter table ${table} disable trigger ${name}`);
    const ms = await duration(() => entries(rows));
    line(
      what,
      `${count(Math.round((rows / ms) * 1000))}/s   ${((ms * concurrency) / rows).toFixed(2)} ms each`,
    );
  }
}

/** What counting takes where the largest tenant has a quota: docs/tenants.md. */
async function quotas(sql: postgres.Sql, { keys }: FullHub): Promise<void> {
  const tenant = filledId('ten', 1);
  await sql`update tenants set agent_keys_max = ${keys * 2} where id = ${tenant}`;
  const [{ held }] = await sql<[{ held: number }]>`
    select count(*)::int as held from agent_keys where tenant_id = ${tenant}`;
  const latenciesMs: number[] = [];
  for (let at = 0; at < 20; at++)
    latenciesMs.push(
      await duration(async () => {
        await sql`insert into agent_keys (id, cluster_id, tenant_id, name, verifier)
          values (${`aki_quota${at}`}, ${filledId('vci', 1)}, ${tenant}, 'quota', 'none')`;
      }),
    );
  line(
    `\nan agent key for a tenant that has ${count(held)}, with a quota`,
    `p50 ${percentile(latenciesMs, 0.5).toFixed(1)} ms   max ${percentile(latenciesMs, 1).toFixed(1)} ms`,
  );
}
