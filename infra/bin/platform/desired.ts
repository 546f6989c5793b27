import { canonicalJson } from '../../../contexts/envelope.ts';
import { cell } from '../tables.ts';
import { type Mistake, type Place, type PlatformDocument, readDocuments, type Source } from './document.ts';
import type { ClusterEntry, KeyEntry, RegionEntry, TenantEntry } from './schema.ts';

/** What the files want, all of them together, each thing with the place where it stands. */
export interface Desired {
  regions: DesiredRegion[];
  tenants: DesiredTenant[];
}

export type DesiredRegion = RegionEntry & { at: Place };
export type DesiredKey = KeyEntry & { at: Place };
export type DesiredPlacement = Exclude<NonNullable<ClusterEntry['placements']>[number], string> & {
  at: Place;
};

export interface DesiredTenant extends Omit<TenantEntry, 'clusters'> {
  at: Place;
  clusters: DesiredCluster[];
  /** A file lists its clusters: what is not listed may be pruned. */
  listsClusters: boolean;
  /** Where a file says what bounds it. */
  quotasAt: Place | undefined;
  allowedRegionsAt: Place | undefined;
}

export interface DesiredCluster extends Omit<ClusterEntry, 'placements' | 'agentKeys'> {
  at: Place;
  placements: DesiredPlacement[] | undefined;
  agentKeys: DesiredKey[];
  listsKeys: boolean;
}

/** Mistakes that are shown; the first few tell what is wrong with a file that is something else. */
const shownMax = 100;

/** The files do not say something that can be done. Names every mistake, each with its place. */
export class PlatformFileError extends Error {
  override name = 'PlatformFileError';
  readonly exitCode = 1;
  readonly mistakes: readonly Mistake[];

  /** @param done what was changed before, as ` but ...` */
  constructor(mistakes: readonly Mistake[], done = '') {
    const lines = mistakes.slice(0, shownMax).map((one) => cell(`${placeText(one)}: ${one.message}`));
    if (mistakes.length > shownMax) lines.push(`... and ${mistakes.length - shownMax} more`);
    const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
    super(
      `there ${mistakes.length === 1 ? 'is' : 'are'} ${count} in what is to be applied:\n${lines.join('\n')}\nNothing was changed${done}`,
    );
    this.mistakes = mistakes;
  }
}

export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

/** @throws PlatformFileError naming every mistake in every file. */
export function readDesired(sources: readonly Source[]): Desired {
  const read = sources.map(readDocuments);
  const mistakes = read.flatMap((one) => one.mistakes);
  const [first] = sources;
  if (first && read.every((one) => one.documents.length === 0 && one.mistakes.length === 0))
    mistakes.push({
      ...{ file: first.name, line: 1, column: 1 },
      message: 'there is nothing in it; a platform file says at least `spokecast: 1`',
    });
  const collector = new Collector(mistakes);
  for (const document of read.flatMap((one) => one.documents)) collector.add(document);
  if (mistakes.length > 0) throw new PlatformFileError(mistakes);
  return collector;
}

/** Puts documents together. A tenant may stand in several, with other clusters; anything else only once. */
class Collector implements Desired {
  readonly regions: DesiredRegion[] = [];
  readonly tenants: DesiredTenant[] = [];
  readonly #tenants = new Map<string, DesiredTenant>();
  readonly #tenantIds = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  readonly #mistakes: Mistake[];

  constructor(mistakes: Mistake[]) {
    this.#mistakes = mistakes;
  }

  add({ value, placeOf }: PlatformDocument): void {
    for (const [index, region] of (value.regions ?? []).entries()) {
      const at = placeOf(['regions', index]);
      this.#once(`the region ${region.id}`, at, 'region', region.id);
      this.regions.push({ ...region, at });
    }
    for (const [index, tenant] of (value.tenants ?? []).entries())
      this.#addTenant(tenant, ['tenants', index], placeOf);
  }

  #addTenant(
    { clusters, ...entry }: TenantEntry,
    path: readonly PropertyKey[],
    placeOf: PlatformDocument['placeOf'],
  ): void {
    const at = placeOf(path);
    let tenant = this.#tenants.get(entry.name);
    if (tenant) {
      for (const field of ['id', 'status', 'quotas', 'allowedRegions'] as const) {
        const [there, given] = [tenant[field], entry[field]];
        if (given === undefined) continue;
        if (there !== undefined && canonicalJson(there) !== canonicalJson(given))
          this.#blame(
            placeOf([...path, field]),
            `the tenant ${quoted(entry.name)} has another \`${field}\` at ${placeText(tenant.at)}`,
          );
        Object.assign(tenant, { [field]: given });
      }
    } else {
      const unbound = { quotasAt: undefined, allowedRegionsAt: undefined };
      tenant = { ...entry, at, clusters: [], listsClusters: false, ...unbound };
      this.#tenants.set(entry.name, tenant);
      this.tenants.push(tenant);
    }
    if (entry.quotas !== undefined) tenant.quotasAt ??= placeOf([...path, 'quotas']);
    if (entry.allowedRegions !== undefined) tenant.allowedRegionsAt ??= placeOf([...path, 'allowedRegions']);
    if (entry.id !== undefined) this.#sameNameOnly(entry.id, entry.name, at);
    tenant.listsClusters ||= clusters !== undefined;
    for (const [index, cluster] of (clusters ?? []).entries())
      tenant.clusters.push(this.#cluster(entry.name, cluster, [...path, 'clusters', index], placeOf));
  }

  #cluster(
    tenant: string,
    { placements, agentKeys, ...entry }: ClusterEntry,
    path: readonly PropertyKey[],
    placeOf: PlatformDocument['placeOf'],
  ): DesiredCluster {
    const at = placeOf(path);
    this.#once(`the cluster ${quoted(entry.name)} of ${quoted(tenant)}`, at, 'cluster', tenant, entry.name);
    if (entry.id !== undefined) this.#once(`the id ${entry.id}`, at, entry.id);
    const regions = new Set<string>();
    const placed = placements?.map((placement, index) => {
      const whole = typeof placement === 'string' ? { region: placement } : placement;
      const place = placeOf([...path, 'placements', index]);
      if (regions.has(whole.region)) this.#blame(place, `the region ${whole.region} is named a second time`);
      regions.add(whole.region);
      return { ...whole, at: place };
    });
    const keys = (agentKeys ?? []).map((key, index) => {
      const place = placeOf([...path, 'agentKeys', index]);
      // Keys may share a name where their ids tell them apart.
      const which = key.id === undefined ? ['key', tenant, entry.name, key.name] : [key.id];
      this.#once(`the agent key ${quoted(key.name)} of ${quoted(entry.name)}`, place, ...which);
      return { ...key, at: place };
    });
    return { ...entry, at, placements: placed, agentKeys: keys, listsKeys: agentKeys !== undefined };
  }

  #once(what: string, at: Place, ...identity: string[]): void {
    const key = JSON.stringify(identity);
    const before = this.#places.get(key);
    if (before) this.#blame(at, `${what} stands at ${placeText(before)} already`);
    else this.#places.set(key, at);
  }

  #sameNameOnly(id: string, name: string, at: Place): void {
    const other = this.#tenantIds.get(id) ?? name;
    if (other !== name) this.#blame(at, `the id ${id} is given to ${quoted(other)} too`);
    this.#tenantIds.set(id, other);
  }

  #blame(at: Place, message: string): void {
    this.#mistakes.push({ ...at, message });
  }
}

export function quoted(name: string): string {
  return JSON.stringify(name);
}
