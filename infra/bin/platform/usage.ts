import type { Cluster, Placement } from '../../client/hub-api.ts';
import { type Bounds, most, type Quota, quotaNames } from './bounds.ts';
import type { Change } from './change.ts';
import type { PlatformState } from './state.ts';

/** How much of a quota a tenant uses. */
export interface Usage {
  /** Once the plan is done. */
  after: number;
  /** While it is carried out, where what goes only goes after what comes. */
  meanwhile: number;
  /** Things that the plan adds: a quota bounds those. */
  added: number;
}

/**
 * What a tenant has of that which quotas bound, before and after its own changes. Undefined where not all of it was
 * read (state.ts): then the hub counts.
 */
export function usageOf(
  quota: Quota,
  tenantId: string | undefined,
  own: readonly Change[],
  state: PlatformState,
): Usage | undefined {
  if (tenantId !== undefined && !state.clustersKnown.has(tenantId)) return undefined;
  const clusters = tenantId === undefined ? [] : state.clustersOf(tenantId);
  if (quota === 'regions') return regionsOf(clusters, own);
  const made = (kind: Change['kind']) =>
    own.filter((change) => change.kind === kind && change.action === 'create').length;
  const gone = own.filter(({ action }) => action === 'delete');
  if (quota === 'clusters') {
    const lost = gone.filter(({ kind }) => kind === 'cluster').length;
    return counted(clusters.length, made('cluster'), lost);
  }
  if (clusters.length > 0 && !state.keysKnown.has(tenantId!)) return undefined;
  const there = clusters.reduce((sum, { id }) => sum + state.keysOf(id).length, 0);
  const lost = gone.reduce(
    (sum, { kind, id }) => sum + (kind === 'cluster' ? state.keysOf(id!).length : 1),
    0,
  );
  return counted(there, made('agent-key'), lost);
}

/** The quotas that the plan would go beyond by what it adds, in the end. */
export function beyond(
  bounds: Bounds,
  usage: (quota: Quota) => Usage | undefined,
): { quota: Quota; after: number; most: number }[] {
  return quotaNames.flatMap((quota) => {
    const used = usage(quota);
    const limit = most(bounds.quotas[quota]);
    return used && used.added > 0 && used.after > limit ? [{ quota, after: used.after, most: limit }] : [];
  });
}

function counted(there: number, added: number, gone: number): Usage {
  return { after: there + added - gone, meanwhile: there + added, added };
}

function regionsOf(clusters: readonly Cluster[], own: readonly Change[]): Usage {
  const changed = new Map(own.filter(({ id }) => id !== undefined).map((change) => [change.id!, change]));
  const before = new Set<string>();
  const after = new Set<string>();
  let added = 0;
  const add = (placements: readonly Placement[], held: ReadonlySet<string>) => {
    for (const { region } of placements) {
      after.add(region);
      if (!held.has(region)) added += 1;
    }
  };
  for (const { id, placements } of clusters) {
    const held = new Set(placements.map(({ region }) => region));
    for (const region of held) before.add(region);
    const change = changed.get(id);
    if (change?.action !== 'delete')
      add((change?.body.placements as Placement[] | undefined) ?? placements, held);
  }
  for (const { kind, action, body } of own)
    if (kind === 'cluster' && action === 'create')
      add((body.placements as Placement[] | undefined) ?? [], new Set());
  return { after: after.size, meanwhile: before.union(after).size, added };
}
