import type { AgentKey, Cluster, Region, Tenant } from '../../client/hub-api.ts';
import { type HubClient, HubRequestError, hubExitCodes } from '../hub-client.ts';
import { boundsDiffer, boundsOf, most } from './bounds.ts';
import type { Desired, DesiredTenant } from './desired.ts';
import { inParallel } from './pool.ts';

/** What the hub holds of what the files speak of. */
export class PlatformState {
  readonly regions = new Map<string, Region>();
  readonly tenants = new Map<string, Tenant>();
  readonly clusters = new Map<string, Cluster>();
  readonly keys = new Map<string, AgentKey>();
  /** Tenants of which every cluster was read, and every agent key. */
  readonly clustersKnown = new Set<string>();
  readonly keysKnown = new Set<string>();
  readonly #clustersOf = new Map<string, Cluster[]>();
  readonly #keysOf = new Map<string, AgentKey[]>();

  addTenant(tenant: Tenant): void {
    this.tenants.set(tenant.id, tenant);
  }

  addCluster(cluster: Cluster): void {
    if (this.clusters.has(cluster.id)) return;
    this.clusters.set(cluster.id, cluster);
    push(this.#clustersOf, cluster.tenantId, cluster);
  }

  addKey(key: AgentKey): void {
    if (this.keys.has(key.id)) return;
    this.keys.set(key.id, key);
    push(this.#keysOf, key.clusterId, key);
  }

  clustersOf(tenantId: string): readonly Cluster[] {
    return this.#clustersOf.get(tenantId) ?? [];
  }

  keysOf(clusterId: string): readonly AgentKey[] {
    return this.#keysOf.get(clusterId) ?? [];
  }
}

/** Requests at a time. More would only wait in the hub for its connections to Postgres. */
export const requestsAtOnce = 12;
const pageItems = 200;
const everything = Number.POSITIVE_INFINITY;
/** From so many on, a whole list is read rather than one thing after the other. */
const fewTenants = 100;
const fewClusters = 8;
/** Agent keys that are read to count them where there is a quota; beyond it the hub counts as it makes them. */
const keysCountedMax = 2_000;

export type ReadProgress = (what: 'tenants' | 'clusters' | 'agent keys', count: number) => void;

/**
 * Reads what the files name, and as little else as can be: a tenant's clusters and keys as a whole where many of them
 * are named or where some may be pruned.
 */
export async function readState(
  hub: HubClient,
  desired: Desired,
  prune: boolean,
  progress: ReadProgress = () => {},
): Promise<PlatformState> {
  const state = new PlatformState();
  const { items } = await hub.list('listRegions', everything, { query: { limit: pageItems } });
  for (const { publishing: _, ...region } of items) state.regions.set(region.id, region);
  await readTenants(hub, desired, state);
  progress('tenants', state.tenants.size);

  const wanted = desired.tenants.flatMap((tenant) => {
    const found = tenantOf(state, tenant);
    return found ? [{ tenant, found }] : [];
  });
  await inParallel(wanted, requestsAtOnce, async ({ tenant, found }) => {
    await readClusters(hub, tenant, found, needsClusters(tenant, found, prune), state);
    progress('clusters', state.clusters.size);
  });
  await inParallel(keyLists(wanted, state, prune), requestsAtOnce, async (query) => {
    const { items } = await hub.list('listAgentKeys', everything, { query: { ...query, limit: pageItems } });
    for (const key of items) state.addKey(key);
    if (query.tenantId !== undefined) state.keysKnown.add(query.tenantId);
    progress('agent keys', state.keys.size);
  });
  return state;
}

/** All there is, for `export`. */
export async function readEverything(
  hub: HubClient,
  tenants: readonly string[],
  progress: ReadProgress = () => {},
): Promise<PlatformState> {
  const state = new PlatformState();
  const limit = pageItems;
  const { items } = await hub.list('listRegions', everything, { query: { limit } });
  for (const { publishing: _, ...region } of items) state.regions.set(region.id, region);
  if (tenants.length === 0) {
    for (const tenant of (await hub.list('listTenants', everything, { query: { limit } })).items)
      state.addTenant(tenant);
    for (const cluster of (await hub.list('listClusters', everything, { query: { limit } })).items)
      state.addCluster(cluster);
    progress('clusters', state.clusters.size);
    for (const key of (await hub.list('listAgentKeys', everything, { query: { limit } })).items)
      state.addKey(key);
    return state;
  }
  for (const name of tenants) {
    const [tenant] = (await hub.list('listTenants', 1, { query: { name } })).items;
    if (!tenant) throw new HubRequestError(`there is no tenant ${JSON.stringify(name)}`, hubExitCodes.absent);
    state.addTenant(tenant);
    const query = { tenantId: tenant.id, limit };
    for (const cluster of (await hub.list('listClusters', everything, { query })).items)
      state.addCluster(cluster);
    for (const key of (await hub.list('listAgentKeys', everything, { query })).items) state.addKey(key);
    progress('agent keys', state.keys.size);
  }
  return state;
}

/** The tenant that is meant: by its id where one is given, else by its name. */
export function tenantOf(
  state: PlatformState,
  { id, name }: Pick<DesiredTenant, 'id' | 'name'>,
): Tenant | undefined {
  if (id !== undefined) return state.tenants.get(id);
  return byName(state).get(name);
}

const names = new WeakMap<PlatformState, { size: number; byName: Map<string, Tenant> }>();

function byName(state: PlatformState): Map<string, Tenant> {
  let known = names.get(state);
  if (known?.size !== state.tenants.size) {
    const entries = [...state.tenants.values()].map((tenant) => [tenant.name, tenant] as const);
    known = { size: state.tenants.size, byName: new Map(entries) };
    names.set(state, known);
  }
  return known!.byName;
}

async function readTenants(hub: HubClient, { tenants }: Desired, state: PlatformState): Promise<void> {
  if (tenants.length > fewTenants) {
    const { items } = await hub.list('listTenants', everything, { query: { limit: pageItems } });
    for (const tenant of items) state.addTenant(tenant);
    return;
  }
  await inParallel(tenants, requestsAtOnce, async ({ id, name }) => {
    if (id !== undefined)
      await ifThere(hub.call('getTenant', { path: { id } }), (one) => state.addTenant(one));
    const { items } = await hub.list('listTenants', 1, { query: { name } });
    for (const tenant of items) state.addTenant(tenant);
  });
}

/** Whether everything of the tenant is concerned: what may be pruned, and what all its keys may do. */
function isWhole(tenant: DesiredTenant, found: Tenant, prune: boolean): boolean {
  return (
    (prune && tenant.listsClusters) ||
    tenant.clusters.length > fewClusters ||
    (tenant.status !== undefined && tenant.status !== found.status) ||
    boundsDiffer(found, boundsOf(tenant, found))
  );
}

/** Where there is a quota, what there is counts. */
function needsClusters(tenant: DesiredTenant, found: Tenant, prune: boolean): boolean {
  const isCounted = Object.values(found.quotas).some((quota) => quota !== null);
  return isWhole(tenant, found, prune) || (isCounted && tenant.clusters.length > 0);
}

function needsKeys(tenant: DesiredTenant, found: Tenant, prune: boolean): boolean {
  const isCounted = most(found.quotas.agentKeys) <= keysCountedMax;
  const mayAdd = tenant.clusters.some(({ agentKeys }) => agentKeys.length > 0);
  return isWhole(tenant, found, prune) || (isCounted && mayAdd);
}

async function readClusters(
  hub: HubClient,
  { clusters }: DesiredTenant,
  { id: tenantId }: Tenant,
  whole: boolean,
  state: PlatformState,
): Promise<void> {
  if (whole) {
    const query = { tenantId, limit: pageItems };
    for (const cluster of (await hub.list('listClusters', everything, { query })).items)
      state.addCluster(cluster);
    state.clustersKnown.add(tenantId);
  }
  for (const { id, name } of clusters) {
    if (id !== undefined && !state.clusters.has(id))
      await ifThere(hub.call('getCluster', { path: { id } }), (one) => state.addCluster(one));
    if (whole) continue;
    for (const cluster of (await hub.list('listClusters', 1, { query: { tenantId, name } })).items)
      state.addCluster(cluster);
  }
}

/** Which lists of keys are read: those of whole tenants, or of single clusters. */
function keyLists(
  wanted: readonly { tenant: DesiredTenant; found: Tenant }[],
  state: PlatformState,
  prune: boolean,
): { tenantId?: string; clusterId?: string }[] {
  return wanted.flatMap(({ tenant, found }): { tenantId?: string; clusterId?: string }[] => {
    const clusters = state.clustersOf(found.id);
    if (clusters.length === 0) return [];
    if (needsKeys(tenant, found, prune)) return [{ tenantId: found.id }];
    const ids = new Set(tenant.clusters.map(({ id }) => id));
    const names = new Set(tenant.clusters.map(({ name }) => name));
    return clusters
      .filter(({ id, name }) => ids.has(id) || names.has(name))
      .map(({ id }) => ({ clusterId: id }));
  });
}

async function ifThere<Thing>(asked: Promise<Thing>, use: (thing: Thing) => void): Promise<void> {
  try {
    use(await asked);
  } catch (error) {
    if (!(error instanceof HubRequestError && error.status === 404)) throw error;
  }
}

function push<Item>(lists: Map<string, Item[]>, of: string, item: Item): void {
  const list = lists.get(of);
  if (list) list.push(item);
  else lists.set(of, [item]);
}
