import { systemRandom } from '../../../contexts/base/random.ts';
import { type FullHub, filledId, fullRegions } from '../../hub/load/fill.ts';
import type { LoadOperation } from './hub-load.ts';

const [listMsP99, createMsP99] = [50, 30];

/** What is asked of a full hub, of all of it by chance. `owner` is a key of the platform. */
export function operationsOf(
  url: string,
  { clusters, keys, history }: FullHub,
  owner: string,
  tenants: readonly { tenantId: string; secret: string }[],
  places: readonly string[],
): LoadOperation[] {
  const upTo = (number: number) => 1 + Math.floor(systemRandom.fraction() * number);
  const someTenant = () => tenants[upTo(tenants.length) - 1]!;
  const place = () => places[upTo(places.length) - 1]!;
  const cursor = (list: string, id: string) => Buffer.from(`${list}/${id}`).toString('base64url');
  const get = (name: string, path: () => string, secret = () => owner): LoadOperation => ({
    name,
    ...(name.startsWith('list') ? { goalMsP99: listMsP99 } : {}),
    next: () => ({ method: 'GET', url: url + path(), secret: secret(), wanted: 200 }),
  });
  /** A cluster of the first tenant: see fill.ts. */
  const ofFirstTenant = filledId('vci', 11);
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
    goalMsP99: createMsP99,
    next: () => ({ method: 'POST', url: url + path, secret: secret(), body: body(), wanted: 201 }),
    answered: ({ id }) => void made.push(id!),
  });
  const change = (name: string, path: () => string, body: () => object): LoadOperation => ({
    name,
    next: () => ({ method: 'PATCH', url: url + path(), secret: owner, body: body(), wanted: 200 }),
  });
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
    create(
      "create an agent key, by a tenant's key",
      '/v1/agent-keys',
      () => ({ clusterId: ofFirstTenant, name: `bench ${++number}` }),
      [],
      () => tenants[0]!.secret,
    ),
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
        const body = { placements: [{ region: place() }] };
        return id === undefined
          ? undefined
          : { method: 'PATCH', url: `${url}/v1/clusters/${id}`, secret: owner, body, wanted: 200 };
      },
    },
    {
      name: 'revoke an agent key',
      next: () => {
        const id = madeKeys.pop();
        return id === undefined
          ? undefined
          : { method: 'DELETE', url: `${url}/v1/agent-keys/${id}`, secret: owner, wanted: 204 };
      },
    },
  ];
}
