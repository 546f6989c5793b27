import type { Cluster } from '../../client/hub-api.ts';
import { allows, type Bounds, boundChanges, boundsMeanwhile, countText, most, type Quota } from './bounds.ts';
import type { Change } from './change.ts';
import { type DesiredTenant, placeText, quoted } from './desired.ts';
import type { Mistake } from './document.ts';
import type { PlatformState } from './state.ts';
import { beyond, usageOf } from './usage.ts';

/** A tenant with what is planned for it. */
export interface PlannedTenant {
  wanted: DesiredTenant;
  before: Bounds;
  after: Bounds;
  own: readonly Change[];
  /** Its clusters as the hub has them: all of them where its bounds change. */
  clusters: readonly Cluster[];
  state: PlatformState;
}

/**
 * What the hub would refuse for the tenant's residency: placements of the files outside of it, and clusters that it
 * would leave outside. What is outside already, and stays, is left alone where the residency stays as it is.
 */
export function residencyMistakes(
  { wanted, before, after, own, clusters }: PlannedTenant,
  regionMistake: (region: string) => string | undefined,
): Mistake[] {
  const { name, allowedRegionsAt } = wanted;
  const mistakes: Mistake[] = [];
  const isChanged = boundChanges(before, after).some((field) => field.name === 'allowedRegions');
  const only = `clusters of ${quoted(name)} may be placed in ${after.allowedRegions?.join(', ')} only`;
  const why = allowedRegionsAt ? ` (${placeText(allowedRegionsAt)})` : ', as the hub has it';
  const byId = new Map(clusters.map((cluster) => [cluster.id, cluster]));
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const placed = new Set<string>();
  for (const { id, name, placements } of wanted.clusters) {
    const there = id === undefined ? byName.get(name) : byId.get(id);
    const held = new Set(there?.placements.map(({ region }) => region));
    if (there && placements) placed.add(there.id);
    for (const { region, at } of placements ?? [])
      if (!allows(after, region) && (isChanged || !held.has(region)))
        mistakes.push({ ...at, message: `${only}${why}, and not in ${region}` });
  }
  if (!isChanged || !allowedRegionsAt) return mistakes;
  for (const region of after.allowedRegions ?? []) {
    const message = regionMistake(region);
    if (message !== undefined) mistakes.push({ ...allowedRegionsAt, message });
  }
  const gone = new Set(own.filter(({ action }) => action === 'delete').map(({ id }) => id));
  const outside = clusters
    .filter(({ id }) => !placed.has(id) && !gone.has(id))
    .flatMap(({ name, placements }) => placements.map(({ region }) => ({ name, region })))
    .filter(({ region }) => !allows(after, region));
  for (const [region, ones] of Map.groupBy(outside, (each) => each.region))
    mistakes.push({
      ...allowedRegionsAt,
      message: `leaves out ${region}, where ${someOf(ones.map((one) => one.name))} of ${quoted(name)} would still be: place them elsewhere, in these files or before`,
    });
  return mistakes;
}

/** A plan that adds to what goes beyond a quota in the end. */
export function quotaMistakes(planned: PlannedTenant, tenantId: string | undefined): Mistake[] {
  const { name, at, quotasAt } = planned.wanted;
  return beyond(planned.after, usagesOf(planned, tenantId)).map(({ quota, after, most }) => ({
    ...(quotasAt ?? at),
    message: `${quoted(name)} would have ${countText(quota, after)}, and may have ${most}${quotasAt ? '' : ', as the hub has it'}`,
  }));
}

/** What has to be deleted first, where a plan would go beyond a quota only on its way. */
export function makingRoom(planned: PlannedTenant, tenantId: string | undefined): Change[] {
  const meanwhile = boundsMeanwhile(planned.before, planned.after, new Set());
  const usage = usagesOf(planned, tenantId);
  const isTight = (quota: Quota) => (usage(quota)?.meanwhile ?? 0) > most(meanwhile.quotas[quota]);
  const [clusters, keys] = [isTight('clusters'), isTight('agentKeys')];
  return planned.own.filter(
    ({ kind, action }) => action === 'delete' && (keys || (clusters && kind === 'cluster')),
  );
}

function usagesOf({ own, state }: PlannedTenant, tenantId: string | undefined) {
  return (quota: Quota) => usageOf(quota, tenantId, own, state);
}

/** `"orders", "bills" and 7 more` */
function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(quoted).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
