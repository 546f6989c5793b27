import { allows, type Bounds, boundChanges, boundsOf, type Quota, quotaNames, unbounded } from './bounds.ts';
import type { Change } from './change.ts';
import type { PlatformState } from './state.ts';
import { usageOf } from './usage.ts';

/** What changed bounds of a tenant mean. */
export interface BoundsMeaning {
  tenant: string;
  /** Where its clusters may be placed from now on, where that changes. */
  residency:
    | {
        /** null for anywhere. */
        only: readonly string[] | null;
        /** Regions that take no cluster of it any more, and those that now do. */
        closed: readonly string[];
        opened: readonly string[];
      }
    | undefined;
  quotas: readonly QuotaMeaning[];
}

export interface QuotaMeaning {
  quota: Quota;
  /** null for any number. */
  most: number | null;
  /** How many it has once the plan is done. */
  used: number | undefined;
}

export function boundsMeanings(changes: readonly Change[], state: PlatformState): BoundsMeaning[] {
  const regions = new Set(state.regions.keys());
  for (const { kind, action, path } of changes)
    if (kind === 'region' && action === 'create') regions.add(path[0]!);
  const byTenant = Map.groupBy(
    changes.filter(({ kind }) => kind !== 'region'),
    ({ path }) => path[0]!,
  );
  return changes.flatMap((change) => {
    if (change.kind !== 'tenant') return [];
    const name = change.path[0]!;
    const before: Bounds = state.tenants.get(change.id ?? '') ?? unbounded;
    const after = boundsOf(change.lastly ?? {}, boundsOf(change.body, before));
    const changed = new Set(boundChanges(before, after).map((field) => field.name));
    if (changed.size === 0) return [];
    const own = byTenant.get(name) ?? [];
    return [
      {
        tenant: name,
        residency: changed.has('allowedRegions') ? residencyOf(before, after, regions) : undefined,
        quotas: quotaNames
          .filter((quota) => changed.has(`quotas.${quota}`))
          .map((quota) => ({
            ...{ quota, most: after.quotas[quota] },
            used: usageOf(quota, change.id, own, state)?.after,
          })),
      },
    ];
  });
}

function residencyOf(
  before: Bounds,
  after: Bounds,
  regions: ReadonlySet<string>,
): BoundsMeaning['residency'] {
  const known = [...regions].sort();
  return {
    only: after.allowedRegions,
    closed: known.filter((region) => allows(before, region) && !allows(after, region)),
    opened: known.filter((region) => !allows(before, region) && allows(after, region)),
  };
}
