import { canonicalJson } from '../../../contexts/envelope.ts';
import type { Tenant } from '../../client/hub-api.ts';
import type { FieldChange } from './change.ts';
import type { DesiredTenant } from './desired.ts';

/** What a tenant is bounded to: how many it may have, and where. */
export type Bounds = Pick<Tenant, 'quotas' | 'allowedRegions'>;
export type Quota = keyof Tenant['quotas'];

export const quotaNames: readonly Quota[] = ['clusters', 'agentKeys', 'regions'];
export const unbounded: Bounds = {
  quotas: { clusters: null, agentKeys: null, regions: null },
  allowedRegions: null,
};

/** As the files want them; what they do not say stays as it is. */
export function boundsOf(
  { quotas, allowedRegions }: Pick<DesiredTenant, 'quotas' | 'allowedRegions'>,
  before: Bounds,
): Bounds {
  const given = quotas === null ? unbounded.quotas : quotas;
  const after = { ...before.quotas };
  for (const name of quotaNames) if (given?.[name] !== undefined) after[name] = given[name];
  return {
    quotas: after,
    allowedRegions: allowedRegions === undefined ? before.allowedRegions : allowedRegions,
  };
}

export function boundsDiffer(before: Bounds, after: Bounds): boolean {
  return boundChanges(before, after).length > 0;
}

export function boundChanges(before: Bounds, after: Bounds): FieldChange[] {
  return [
    ...quotaNames.map((name) => ({
      ...{ name: `quotas.${name}`, before: before.quotas[name], after: after.quotas[name] },
    })),
    { name: 'allowedRegions', before: before.allowedRegions, after: after.allowedRegions },
  ].filter((field) => canonicalJson(field.before) !== canonicalJson(field.after));
}

/**
 * The bounds while the plan is carried out: none tighter than before or after, and no wider than the placements need.
 * What loosens is sent before what needs the room, what tightens after what still stands in its way.
 */
export function boundsMeanwhile(before: Bounds, after: Bounds, placed: ReadonlySet<string>): Bounds {
  const quotas = { ...after.quotas };
  for (const name of quotaNames)
    if (most(before.quotas[name]) > most(after.quotas[name])) quotas[name] = before.quotas[name];
  return { quotas, allowedRegions: residencyMeanwhile(before.allowedRegions, after.allowedRegions, placed) };
}

function residencyMeanwhile(
  before: readonly string[] | null,
  after: readonly string[] | null,
  placed: ReadonlySet<string>,
): string[] | null {
  if (before === null || after === null) return null;
  const isWider = before.every((region) => after.includes(region));
  const needed = after.filter((region) => isWider || placed.has(region));
  return [...new Set([...before, ...needed])].sort();
}

/** What has to be sent to come from one to the other. */
export function boundsBody(before: Bounds, after: Bounds): Record<string, unknown> {
  const quotas = Object.fromEntries(
    quotaNames
      .filter((name) => before.quotas[name] !== after.quotas[name])
      .map((name) => [name, after.quotas[name]]),
  );
  return {
    ...(Object.keys(quotas).length > 0 ? { quotas } : {}),
    ...(canonicalJson(before.allowedRegions) === canonicalJson(after.allowedRegions)
      ? {}
      : { allowedRegions: after.allowedRegions }),
  };
}

/** A quota as a number that can be compared. */
export function most(quota: number | null): number {
  return quota ?? Number.POSITIVE_INFINITY;
}

/** Whether a cluster may be placed there. */
export function allows({ allowedRegions }: Pick<Bounds, 'allowedRegions'>, region: string): boolean {
  return allowedRegions === null || allowedRegions.includes(region);
}

/** `1 region`, `20 agent keys` */
export function countText(quota: Quota, count: number | 'any number of'): string {
  return `${count} ${words[quota]}${count === 1 ? '' : 's'}`;
}

const words: Readonly<Record<Quota, string>> = {
  clusters: 'cluster',
  agentKeys: 'agent key',
  regions: 'region',
};
