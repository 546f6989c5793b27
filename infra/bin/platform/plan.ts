import { canonicalJson } from '../../../contexts/envelope.ts';
import type { AgentKey, Cluster, Tenant } from '../../client/hub-api.ts';
import { type Bounds, boundChanges, boundsBody, boundsMeanwhile, boundsOf, unbounded } from './bounds.ts';
import { makingRoom, quotaMistakes, residencyMistakes } from './bounds-check.ts';
import type { Change, FieldChange } from './change.ts';
import {
  type Desired,
  type DesiredCluster,
  type DesiredKey,
  type DesiredRegion,
  type DesiredTenant,
  PlatformFileError,
  placeText,
  quoted,
} from './desired.ts';
import type { Mistake, Place } from './document.ts';
import { type Renaming, renamingMistakes } from './renaming.ts';
import { type PlatformState, tenantOf } from './state.ts';

export interface PlanOptions {
  prune: boolean;
  /** A key that has ended by then cannot be made. */
  nowMs: number;
}

/**
 * What has to be done so that the hub holds what the files want. Things are known by their id where the file gives
 * one, else by their name within their parent. What the files do not mention stays as it is, but for what `prune`
 * takes from lists that they write.
 * @throws PlatformFileError naming everything that cannot be done.
 */
export function planChanges(desired: Desired, state: PlatformState, { prune, nowMs }: PlanOptions): Change[] {
  const planner = new Planner(desired, state, { prune, nowMs });
  for (const region of desired.regions) planner.region(region);
  for (const tenant of desired.tenants) planner.tenant(tenant);
  planner.tenantNames();
  if (planner.mistakes.length > 0) throw new PlatformFileError(planner.mistakes);
  return planner.changes;
}

class Planner {
  readonly changes: Change[] = [];
  readonly mistakes: Mistake[] = [];
  readonly #state: PlatformState;
  readonly #prune: boolean;
  readonly #nowMs: number;
  /** What each region is to be; undefined for one that is not there and will not be. */
  readonly #regionStatus: Map<string, string>;
  /** Where what is there is spoken of. */
  readonly #meantAt = new Map<string, Place>();
  readonly #newTenantNames: Renaming[] = [];

  constructor(desired: Desired, state: PlatformState, { prune, nowMs }: PlanOptions) {
    this.#state = state;
    this.#prune = prune;
    this.#nowMs = nowMs;
    this.#regionStatus = new Map([
      ...[...state.regions.values()].map(({ id, status }) => [id, status] as const),
      ...desired.regions.map(
        ({ id, status }) => [id, status ?? state.regions.get(id)?.status ?? 'active'] as const,
      ),
    ]);
  }

  region({ id, status, store, at }: DesiredRegion) {
    const found = this.#state.regions.get(id);
    const path = [id];
    if (!found) {
      if (!store) return this.#blame(at, `there is no region ${id} yet: to make it, say where its store is`);
      const afterwards = status === undefined || status === 'active' ? undefined : { status };
      return this.#add({ kind: 'region', action: 'create', path, at, body: { id, store }, afterwards });
    }
    if (store && !found.store)
      return this.#blame(at, 'where the store of a region is, is shown to keys of the platform only');
    const isAsWanted = status === found.status || (status === 'active' && found.status === 'seeding');
    const fields = [
      ...(status === undefined || isAsWanted
        ? []
        : [{ name: 'status', before: found.status, after: status }]),
      ...differences({ store }, { store: found.store }),
    ];
    this.#update({ kind: 'region', path, at, id, basis: found }, fields);
  }

  tenant(wanted: DesiredTenant) {
    const { id, name, status, at } = wanted;
    const begun = this.changes.length;
    const found = tenantOf(this.#state, wanted);
    const path = [name];
    const before: Bounds = found ?? unbounded;
    const after = boundsOf(wanted, before);
    if (!found) {
      if (id !== undefined) return this.#absent(at, `tenant ${id}`);
      const afterwards = status === 'suspended' ? { status } : undefined;
      const body = { name, ...boundsBody(unbounded, after) };
      this.#add({ kind: 'tenant', action: 'create', path, at, body, afterwards });
    } else {
      if (!this.#once(found, at)) return;
      if (found.name !== name) this.#newTenantNames.push({ id: found.id, to: name, at });
      const own = differences({ name, status }, found);
      const meanwhile = boundsMeanwhile(this.#stillThere(before), after, placedBy(wanted));
      const lastly = boundsBody(meanwhile, after);
      this.#update(
        {
          ...{ kind: 'tenant', path, at, id: found.id, basis: found },
          body: { ...bodyOf(own), ...boundsBody(before, meanwhile) },
          lastly: Object.keys(lastly).length > 0 ? lastly : undefined,
        },
        [...own, ...boundChanges(before, after)],
      );
    }
    const named = new Set<string>();
    const newNames: Renaming[] = [];
    const clusters = found ? this.#state.clustersOf(found.id) : [];
    const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
    for (const cluster of wanted.clusters) {
      const one = this.#cluster(cluster, wanted, found, byName);
      if (!one) continue;
      named.add(one.id);
      if (one.name !== cluster.name) newNames.push({ id: one.id, to: cluster.name, at: cluster.at });
    }
    if (this.#prune && wanted.listsClusters)
      for (const cluster of clusters)
        if (!named.has(cluster.id)) this.#delete('cluster', [name, cluster.name], cluster);
    const holderOf = (name: string) => byName.get(name)?.id;
    const leaves = (id: string) => this.#prune && wanted.listsClusters && !named.has(id);
    this.mistakes.push(...renamingMistakes('cluster', newNames, holderOf, leaves));
    const of = { wanted, before, after, own: this.changes.slice(begun), clusters, state: this.#state };
    this.mistakes.push(...residencyMistakes(of, (region) => this.#regionMistake(region)));
    this.mistakes.push(...quotaMistakes(of, found?.id));
    for (const change of makingRoom(of, found?.id)) change.makesRoom = true;
  }

  /** Once all tenants were seen. */
  tenantNames(): void {
    const holderOf = (name: string) => tenantOf(this.#state, { id: undefined, name })?.id;
    this.mistakes.push(...renamingMistakes('tenant', this.#newTenantNames, holderOf, () => false));
  }

  /** False for what stands elsewhere already, by its id here and by its name there. */
  #once({ id }: Tenant | Cluster, at: Place): boolean {
    const before = this.#meantAt.get(id);
    if (before) this.#blame(at, `${id} is meant at ${placeText(before)} already, by its id or by its name`);
    else this.#meantAt.set(id, at);
    return before === undefined;
  }

  /** Without the regions that are no more: the hub takes no residency that names one. */
  #stillThere(bounds: Bounds): Bounds {
    const allowedRegions = bounds.allowedRegions?.filter((region) => this.#regionStatus.has(region)) ?? null;
    return { ...bounds, allowedRegions };
  }

  #meant({ id, name }: DesiredCluster, byName: ReadonlyMap<string, Cluster>): Cluster | undefined {
    return id === undefined ? byName.get(name) : this.#state.clusters.get(id);
  }

  /** Returns the cluster that is meant, where there is one. */
  #cluster(
    wanted: DesiredCluster,
    { name: tenantName }: DesiredTenant,
    tenant: Tenant | undefined,
    byName: ReadonlyMap<string, Cluster>,
  ): Cluster | undefined {
    const { id, name, status, upstreamUrl, upstreams, settings, at } = wanted;
    const found = this.#meant(wanted, byName);
    const path = [tenantName, name];
    const placements = wanted.placements?.map(({ region, overrides }) => ({
      region,
      ...(overrides && Object.keys(overrides).length > 0 ? { overrides } : {}),
    }));
    this.#checkRegions(wanted, found);
    if (found && found.tenantId !== tenant?.id) {
      this.#blame(at, `the cluster ${id} is another tenant's, and clusters do not move between tenants`);
      return undefined;
    }
    if (found && !this.#once(found, at)) return found;
    if (found) {
      const after = { name, status, upstreamUrl, upstreams, settings, placements: inOrder(placements) };
      const before = { ...found, placements: inOrder(found.placements) };
      const fields = differences(after, before);
      this.#update({ kind: 'cluster', path, at, id: found.id, parentId: tenant?.id, basis: found }, fields);
    } else {
      if (id !== undefined) this.#absent(at, `cluster ${id}`);
      for (const [field, value] of Object.entries({ upstreamUrl, placements }))
        if (value === undefined)
          this.#blame(at, `there is no cluster ${quoted(name)} yet: to make it, give ${field}`);
      const body = defined({ name, upstreamUrl, upstreams, settings, placements });
      const afterwards = status === 'disabled' ? { status } : undefined;
      this.#add({ kind: 'cluster', action: 'create', path, at, parentId: tenant?.id, body, afterwards });
    }
    this.#keys(wanted, path, found);
    return found;
  }

  #keys(wanted: DesiredCluster, path: readonly string[], cluster: Cluster | undefined): void {
    const there = cluster ? this.#state.keysOf(cluster.id) : [];
    const byId = new Set(wanted.agentKeys.map(({ id }) => id).filter((id) => id !== undefined));
    const byName = Map.groupBy(
      there.filter(({ id }) => !byId.has(id)),
      ({ name }) => name,
    );
    const named = new Set<string>();
    for (const key of wanted.agentKeys) {
      const found = key.id === undefined ? byName.get(key.name) : there.filter(({ id }) => id === key.id);
      for (const { id } of found ?? []) named.add(id);
      this.#key(key, [...path, key.name], cluster, found ?? []);
    }
    if (!this.#prune || !wanted.listsKeys) return;
    for (const key of there) if (!named.has(key.id)) this.#delete('agent-key', [...path, key.name], key);
  }

  #key(
    wanted: DesiredKey,
    path: readonly string[],
    cluster: Cluster | undefined,
    found: readonly AgentKey[],
  ) {
    const { at, id, status, ...rest } = wanted;
    const expiresAt = wanted.expiresAt ? new Date(wanted.expiresAt).toISOString() : wanted.expiresAt;
    const fields = defined({ ...rest, expiresAt });
    if (found.length > 1) {
      const ids = found.map((key) => key.id).join(', ');
      return this.#blame(
        at,
        `${found.length} agent keys of the cluster are called ${quoted(wanted.name)}: give the id of one of ${ids}`,
      );
    }
    const [key] = found;
    if (expiresAt && Date.parse(expiresAt) <= this.#nowMs && expiresAt !== key?.expiresAt)
      this.#blame(at, `expiresAt: ${expiresAt} has passed: leave the key out, or delete it to end it now`);
    const parentId = cluster?.id;
    if (key)
      return this.#update(
        { kind: 'agent-key', path, at, id: key.id, parentId, basis: key },
        differences({ ...fields, status }, key),
      );
    if (id !== undefined) return this.#absent(at, `agent key ${id} in this cluster`);
    const afterwards = status === 'disabled' ? { status } : undefined;
    this.#add({ kind: 'agent-key', action: 'create', path, at, parentId, body: fields, afterwards });
  }

  #checkRegions({ placements = [] }: DesiredCluster, found: Cluster | undefined): void {
    if (this.#regionStatus.size === 0 && this.#state.regions.size === 0 && placements.length === 0) return;
    const held = new Set(found?.placements.map(({ region }) => region));
    for (const { region, at } of placements) {
      const status = this.#regionStatus.get(region);
      if (status === undefined) this.#blame(at, this.#regionMistake(region)!);
      else if (!held.has(region) && (status === 'draining' || status === 'disabled'))
        this.#blame(at, `the region ${region} is ${status} and takes no new placements`);
    }
  }

  #delete(kind: 'cluster' | 'agent-key', path: readonly string[], thing: Cluster | AgentKey): void {
    this.#add({ kind, action: 'delete', path, at: undefined, id: thing.id, basis: thing, body: {} });
  }

  #update(
    of: Pick<Change, 'kind' | 'path' | 'at' | 'id' | 'basis'> & Partial<Change>,
    fields: FieldChange[],
  ): void {
    if (fields.length === 0) return;
    this.#add({ body: bodyOf(fields), ...of, action: 'update', fields });
  }

  #add(change: Pick<Change, 'kind' | 'action' | 'path' | 'at' | 'body'> & Partial<Change>): void {
    const fields = Object.entries({ ...change.body, ...change.afterwards }).map(([name, after]) => ({
      name,
      before: undefined,
      after,
    }));
    const standard = { id: undefined, parentId: undefined, basis: undefined };
    const order = { afterwards: undefined, lastly: undefined, makesRoom: false };
    this.changes.push({ ...standard, ...order, fields: change.action === 'delete' ? [] : fields, ...change });
  }

  /** Undefined for a region that is there, or will be. */
  #regionMistake(region: string): string | undefined {
    if (this.#regionStatus.has(region)) return undefined;
    return `there is no region ${region}; there are: ${[...this.#regionStatus.keys()].join(', ') || 'none'}`;
  }

  #absent(at: Place, what: string): void {
    this.#blame(at, `there is no ${what}; leave the id out to make a new one`);
  }

  #blame(at: Place, message: string): void {
    this.mistakes.push({ ...at, message });
  }
}

/** Every region that the files place a cluster of the tenant in. */
function placedBy({ clusters }: DesiredTenant): ReadonlySet<string> {
  return new Set(clusters.flatMap(({ placements = [] }) => placements.map(({ region }) => region)));
}

function bodyOf(fields: readonly FieldChange[]): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name, after }) => [name, after]));
}

/** Fields that are given and hold something else. */
function differences(wanted: object, found: object): FieldChange[] {
  const before = found as Readonly<Record<string, unknown>>;
  return Object.entries(wanted)
    .filter(([name, after]) => after !== undefined && text(after) !== text(before[name]))
    .map(([name, after]) => ({ name, before: before[name], after }));
}

function text(value: unknown): string {
  return canonicalJson(value ?? null);
}

function defined(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** As the hub gives them: by region. */
function inOrder<One extends { region: string }>(list: readonly One[] | undefined): One[] | undefined {
  return list?.toSorted((a, b) => (a.region < b.region ? -1 : 1));
}
