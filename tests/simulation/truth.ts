import type { ContextRef } from '../../contexts/kinds/index.ts';

/** One thing that somebody wants to be so. Undefined: gone, with all that is in it. */
export type Fact =
  | { thing: 'tenant'; id: string; is: { name: string; status: string } | undefined }
  | {
      thing: 'cluster';
      id: string;
      is: { tenantId: string; name: string; status: string; upstreamUrl: string } | undefined;
    }
  | { thing: 'placement'; id: string; region: string; is: { upstreamUrl: string | null } | undefined }
  | {
      thing: 'agent-key';
      id: string;
      is:
        | { clusterId: string; secret: string; verifier: string; status: string; expiresAtMs: number | null }
        | undefined;
    };

type Is<Thing extends Fact['thing']> = NonNullable<Extract<Fact, { thing: Thing }>['is']>;

/**
 * The truth: plain maps of what people committed, in the order in which they did. It knows of no revisions, heads,
 * outbox or builders, so it cannot share their mistakes.
 */
export class Truth {
  readonly tenants = new Map<string, Is<'tenant'>>();
  readonly clusters = new Map<string, Is<'cluster'>>();
  readonly keys = new Map<string, Is<'agent-key'>>();
  /** By cluster, then region. */
  readonly placements = new Map<string, Map<string, Is<'placement'>>>();
  /** `region kind/key`: the last commit after which the region was to hold nothing there. Absent: since ever. */
  readonly #lastGone = new Map<string, number>();

  apply(fact: Fact): void {
    switch (fact.thing) {
      case 'tenant':
        if (fact.is) this.tenants.set(fact.id, fact.is);
        else {
          this.tenants.delete(fact.id);
          for (const [id, { tenantId }] of this.clusters) if (tenantId === fact.id) this.#dropCluster(id);
        }
        return;
      case 'cluster':
        if (fact.is) this.clusters.set(fact.id, fact.is);
        else this.#dropCluster(fact.id);
        return;
      case 'placement': {
        const placed = this.placements.get(fact.id) ?? new Map();
        this.placements.set(fact.id, placed);
        if (fact.is) placed.set(fact.region, fact.is);
        else placed.delete(fact.region);
        return;
      }
      case 'agent-key':
        if (fact.is) this.keys.set(fact.id, fact.is);
        else this.keys.delete(fact.id);
    }
  }

  /** What is true now, for {@link become} to make true again. */
  copy(): Pick<Truth, 'tenants' | 'clusters' | 'keys' | 'placements'> {
    const { tenants, clusters, keys, placements } = this;
    return {
      tenants: new Map(tenants),
      clusters: new Map(clusters),
      keys: new Map(keys),
      placements: new Map([...placements].map(([id, placed]) => [id, new Map(placed)])),
    };
  }

  become(copy: ReturnType<Truth['copy']>): void {
    for (const name of ['tenants', 'clusters', 'keys'] as const) {
      const [here, then] = [this[name] as Map<string, unknown>, copy[name]];
      here.clear();
      for (const [id, is] of then) here.set(id, is);
    }
    this.placements.clear();
    for (const [id, placed] of copy.placements) this.placements.set(id, new Map(placed));
  }

  #dropCluster(id: string): void {
    this.clusters.delete(id);
    this.placements.delete(id);
    for (const [key, { clusterId }] of this.keys) if (clusterId === id) this.keys.delete(key);
  }

  /** What the region is to hold under the name; undefined for nothing. */
  body(region: string, { kind, key }: ContextRef): Record<string, unknown> | undefined {
    if (kind === 'tenant') {
      const here = [...this.clusters].some(
        ([id, { tenantId }]) => tenantId === key && this.placements.get(id)?.has(region),
      );
      return here ? this.tenants.get(key) : undefined;
    }
    const key_ = this.keys.get(key);
    const clusterId = kind === 'cluster' ? key : key_?.clusterId;
    const cluster = clusterId === undefined ? undefined : this.clusters.get(clusterId);
    const placement = clusterId === undefined ? undefined : this.placements.get(clusterId)?.get(region);
    if (!cluster || !placement) return undefined;
    if (kind === 'cluster')
      return { ...cluster, upstreamUrl: placement.upstreamUrl ?? cluster.upstreamUrl, settings: {} };
    const { secret: _, ...rest } = key_!;
    return { ...rest, tenantId: cluster.tenantId, permissions: [] };
  }

  /** What an agent that shows the key's secret is to be told in the region. */
  decision(region: string, keyId: string, nowMs: number): string {
    const key = this.keys.get(keyId);
    if (!key || this.body(region, { kind: 'agent-key', key: keyId }) === undefined) return 'NOT_FOUND';
    const cluster = this.clusters.get(key.clusterId)!;
    if (key.expiresAtMs !== null && nowMs >= key.expiresAtMs) return 'EXPIRED';
    if (key.status !== 'active') return 'DISABLED';
    if (this.tenants.get(cluster.tenantId)!.status !== 'active') return 'TENANT_SUSPENDED';
    return cluster.status === 'active' ? 'granted' : 'CLUSTER_DISABLED';
  }

  /** A commit happened: notes what is not there now. */
  committed(commit: number, regions: readonly string[], refs: readonly ContextRef[]): void {
    for (const region of regions) {
      for (const ref of refs) {
        if (this.body(region, ref) === undefined) this.#lastGone.set(nameOf(region, ref), commit);
      }
    }
  }

  /** Whether it was to be gone from the region at that commit or at any later one. */
  wasGoneSince(region: string, ref: ContextRef, commit: number): boolean {
    return (this.#lastGone.get(nameOf(region, ref)) ?? 0) >= commit;
  }
}

function nameOf(region: string, { kind, key }: ContextRef): string {
  return `${region} ${kind}/${key}`;
}
