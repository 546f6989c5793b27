import type { AgentKey, Cluster, Placement, Tenant } from '../../client/hub-api.ts';
import { type BoundsMeaning, boundsMeanings } from './bounds-meaning.ts';
import { type Change, pathKey } from './change.ts';
import type { PlatformState } from './state.ts';

/** What a plan does to those who use the platform. */
export interface Meaning {
  /** Agent keys that let somebody in somewhere and will not any more, and where. */
  stopping: KeyRegions[];
  /** Agent keys that are there, and will let somebody in where they do not now. */
  starting: KeyRegions[];
  /** New agent keys that work, by region. */
  newKeys: Map<string, number>;
  /** Contexts that are published anew or removed, by region. */
  contexts: Map<string, number>;
  /** Contexts that let somebody through and will not any more, by region and kind. */
  losses: Map<string, Map<string, number>>;
  /** Things that are deleted, those that go along with them too, and keys that stop: what `--max-deletions` bounds. */
  losing: Set<string>;
  /** Tenants that may have more or less from now on, or elsewhere. */
  bounds: BoundsMeaning[];
}

export interface KeyRegions {
  id: string;
  /** `Acme/orders/ci` */
  name: string;
  regions: string[];
}

/** What is lost in a region and kind in ten minutes without anybody being asked, where nobody meant it (docs/adr/0011). */
export const lossesUnasked = 20;

/** One cluster with all that decides what its keys may do, before and after the plan. */
interface View {
  name: string;
  id: string;
  before: Side | undefined;
  after: Side | undefined;
  keys: {
    id: string;
    name: string;
    before: KeySide | undefined;
    after: KeySide | undefined;
    changed: boolean;
  }[];
  changed: boolean;
  tenantChanged: boolean;
}
interface Side {
  tenantId: string;
  active: boolean;
  tenantActive: boolean;
  regions: ReadonlyMap<string, unknown>;
}
interface KeySide {
  active: boolean;
}

export function meaningOf(changes: readonly Change[], state: PlatformState, nowMs: number): Meaning {
  const meaning: Meaning = {
    ...{ stopping: [], starting: [], newKeys: new Map(), contexts: new Map(), losses: new Map() },
    losing: new Set(),
    bounds: boundsMeanings(changes, state),
  };
  const contexts = new Counter();
  const losses = new Counter();
  for (const change of changes) if (change.action === 'delete') meaning.losing.add(change.id!);
  for (const view of views(changes, state, nowMs)) {
    const { before, after } = view;
    const all = new Set([...(before?.regions.keys() ?? []), ...(after?.regions.keys() ?? [])]);
    for (const region of all) {
      const came = before?.regions.get(region) !== after?.regions.get(region);
      if (view.changed || came) contexts.add(region, 'cluster', view.id);
      if (view.tenantChanged || (came && !before))
        contexts.add(region, 'tenant', (after ?? before)!.tenantId);
      const moved = before?.regions.has(region) !== after?.regions.has(region);
      for (const key of view.keys) if (key.changed || moved) contexts.add(region, 'agent-key', key.id);
      if (lets(before, region) && !lets(after, region)) {
        if (before!.tenantActive && !(after?.tenantActive ?? true))
          losses.add(region, 'tenant', before!.tenantId);
        if (before!.active && !(after?.active && after.regions.has(region)))
          losses.add(region, 'cluster', view.id);
      }
    }
    if (before && !after) for (const key of view.keys) if (key.before) meaning.losing.add(key.id);
    for (const key of view.keys) {
      const worked = worksIn(before, key.before);
      const works = worksIn(after, key.after);
      const stops = worked.filter((region) => !works.includes(region));
      const starts = works.filter((region) => !worked.includes(region));
      const named = { id: key.id, name: key.name };
      if (stops.length > 0) {
        meaning.stopping.push({ ...named, regions: stops });
        meaning.losing.add(key.id);
        for (const region of stops) losses.add(region, 'agent-key', key.id);
      }
      if (key.before === undefined)
        for (const region of starts) meaning.newKeys.set(region, (meaning.newKeys.get(region) ?? 0) + 1);
      else if (starts.length > 0) meaning.starting.push({ ...named, regions: starts });
    }
  }
  meaning.contexts = new Map([...contexts.counts()].map(([region, kinds]) => [region, sum(kinds)]));
  meaning.losses = losses.counts();
  return meaning;
}

/** Whether a region would lose more of a kind than goes without anybody being asked. */
export function isWithinBudget({ losses }: Meaning): boolean {
  return [...losses.values()].every((kinds) => [...kinds.values()].every((count) => count <= lossesUnasked));
}

/** Every cluster that the changes touch. */
function views(changes: readonly Change[], state: PlatformState, nowMs: number): View[] {
  const byId = new Map(changes.filter(({ id }) => id !== undefined).map((change) => [change.id!, change]));
  const touched = new Set<string>();
  const fresh = new Map<string, { change: Change; keys: Change[] }>();
  const added = new Map<string, Change[]>();
  for (const change of changes) {
    const { kind, id, parentId, path } = change;
    if (kind === 'tenant' && id !== undefined)
      for (const cluster of state.clustersOf(id)) touched.add(cluster.id);
    if (kind === 'cluster' && id !== undefined) touched.add(id);
    if (kind === 'cluster' && id === undefined) fresh.set(pathKey(path), { change, keys: [] });
    if (kind !== 'agent-key') continue;
    const key = id === undefined ? undefined : state.keys.get(id);
    if (key) touched.add(key.clusterId);
    else if (parentId !== undefined) {
      touched.add(parentId);
      added.set(parentId, [...(added.get(parentId) ?? []), change]);
    } else fresh.get(pathKey(path.slice(0, 2)))?.keys.push(change);
  }
  const old = [...touched].map((id) =>
    viewOf(state.clusters.get(id)!, state, byId, added.get(id) ?? [], nowMs),
  );
  return [...old, ...[...fresh.values()].map((one) => newView(one, byId, state, nowMs))];
}

function viewOf(
  cluster: Cluster,
  state: PlatformState,
  changes: ReadonlyMap<string, Change>,
  added: readonly Change[],
  nowMs: number,
): View {
  const tenant = state.tenants.get(cluster.tenantId);
  const tenantChange = changes.get(cluster.tenantId);
  const change = changes.get(cluster.id);
  const after = { ...cluster, ...(change?.body as Partial<Cluster> | undefined) };
  const tenantAfter = { ...tenant, ...(tenantChange?.body as Partial<Tenant> | undefined) };
  const name = `${tenant?.name ?? cluster.tenantId}/${cluster.name}`;
  const isGone = change?.action === 'delete';
  const side = (of: Cluster, owner: Partial<Tenant> | undefined): Side => ({
    tenantId: cluster.tenantId,
    active: of.status === 'active',
    tenantActive: owner?.status !== 'suspended',
    regions: placed(of.placements),
  });
  return {
    ...{
      name,
      id: cluster.id,
      before: side(cluster, tenant),
      after: isGone ? undefined : side(after, tenantAfter),
    },
    keys: [
      ...state.keysOf(cluster.id).map((key) => {
        const own = changes.get(key.id);
        const isDeleted = isGone || own?.action === 'delete';
        return {
          ...{ id: key.id, name: `${name}/${key.name}`, before: { active: lives(key, nowMs) } },
          after: isDeleted ? undefined : { active: lives({ ...key, ...own?.body }, nowMs) },
          changed: isGone || own !== undefined,
        };
      }),
      ...added.map((one) => newKey(one, nowMs)),
    ],
    changed: change?.fields.some((field) => field.name !== 'placements') === true || isGone,
    tenantChanged: tenantChange !== undefined,
  };
}

function newView(
  { change, keys }: { change: Change; keys: readonly Change[] },
  changes: ReadonlyMap<string, Change>,
  state: PlatformState,
  nowMs: number,
): View {
  const { parentId, path, body, afterwards } = change;
  const owner = { ...state.tenants.get(parentId ?? ''), ...changes.get(parentId ?? '')?.body };
  const after: Side = {
    tenantId: parentId ?? pathKey(path.slice(0, 1)),
    active: afterwards?.status !== 'disabled',
    tenantActive: owner.status !== 'suspended',
    regions: placed(body.placements as Placement[]),
  };
  const name = path.join('/');
  const made = keys.map((key) => newKey(key, nowMs));
  return { ...{ name, id: name, before: undefined, after, keys: made }, changed: true, tenantChanged: false };
}

function newKey({ path, body, afterwards }: Change, nowMs: number): View['keys'][number] {
  const active = lives({ status: 'active', expiresAt: null, ...body, ...afterwards }, nowMs);
  return { id: path.join('/'), name: path.join('/'), before: undefined, after: { active }, changed: true };
}

function lives(
  { status, expiresAt }: Partial<Pick<AgentKey, 'status' | 'expiresAt'>>,
  nowMs: number,
): boolean {
  return status === 'active' && (!expiresAt || Date.parse(expiresAt) > nowMs);
}

/** Each region with what is given there, as a text that can be compared. */
function placed(placements: readonly Placement[]): ReadonlyMap<string, unknown> {
  return new Map(placements.map(({ region, overrides }) => [region, JSON.stringify(overrides ?? {})]));
}

function lets(side: Side | undefined, region: string): boolean {
  return side?.active === true && side.tenantActive && side.regions.has(region);
}

function worksIn(side: Side | undefined, key: KeySide | undefined): string[] {
  if (!side?.active || !side.tenantActive || !key?.active) return [];
  return [...side.regions.keys()];
}

/** Counts different things, by region and kind. */
class Counter {
  readonly #things = new Map<string, Map<string, Set<string>>>();

  add(region: string, kind: string, thing: string): void {
    const kinds = this.#things.get(region) ?? new Map<string, Set<string>>();
    this.#things.set(region, kinds.set(kind, (kinds.get(kind) ?? new Set()).add(thing)));
  }

  counts(): Map<string, Map<string, number>> {
    const sizes = (kinds: Map<string, Set<string>>) =>
      new Map([...kinds].map(([kind, set]) => [kind, set.size]));
    return new Map([...this.#things].sort().map(([region, kinds]) => [region, sizes(kinds)]));
  }
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
