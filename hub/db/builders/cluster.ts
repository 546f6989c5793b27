import { sql } from 'drizzle-orm';
import { clusters, holdings, type PlacementOverrides, placements, type UpstreamChoice } from '../schema.ts';
import { defineBuilder } from './builder.ts';
import { mayReside } from './residency.ts';

interface Row {
  key: string;
  tenant_id: string;
  name: string;
  status: 'active' | 'disabled';
  upstream_url: string;
  upstreams: UpstreamChoice[] | null;
  settings: never;
  /** Null where somebody wrote JSON's null: nothing is overridden. */
  overrides: PlacementOverrides | null;
}

/** A region holds the clusters placed there; what the placement overrides replaces the global value as a whole. */
export const clusterBuilder = defineBuilder({
  kind: 'cluster',
  derive: (region) => sql`
    select ${clusters.id} as "key", ${clusters.tenantId} as tenant_id, ${clusters.name} as name,
      ${clusters.status} as status, ${clusters.upstreamUrl} as upstream_url, ${clusters.upstreams} as upstreams,
      ${clusters.settings} as settings,
      ${placements.overrides} as overrides
    from ${clusters} join ${placements} on ${placements.clusterId} = ${clusters.id}
    where ${placements.region} = ${region} and ${mayReside(clusters.tenantId, region)}`,
  holders: (keys) => sql`select k as "key", regions_of_cluster(k) as regions from unnest(${keys}) k`,
  leftOnPurpose: (region, key) => sql`
    select ${holdings.intended} from ${holdings}
    where ${holdings.clusterId} = ${key} and ${holdings.region} = ${region}`,
  toBody: (row: Row) => ({
    name: row.name,
    settings: (row.overrides?.settings as never) ?? row.settings,
    status: row.status,
    tenantId: row.tenant_id,
    ...upstreamsOf(row),
  }),
});

/**
 * Where the region's gateways forward to. A placement that overrides either way of saying it overrides both, or a
 * region with an upstream of its own would go on with the cluster's list. Gateways older than the list get the
 * first of the region's choice.
 */
function upstreamsOf({ overrides, upstream_url, upstreams }: Row) {
  if (overrides?.upstreams)
    return {
      upstreamUrl: overrides.upstreamUrl ?? firstOf(overrides.upstreams),
      upstreams: overrides.upstreams,
    };
  if (overrides?.upstreamUrl) return { upstreamUrl: overrides.upstreamUrl };
  return upstreams ? { upstreamUrl: upstream_url, upstreams } : { upstreamUrl: upstream_url };
}

/** The URL that takes most. SQL can write anything here: what is no list of upstreams is left to the schema to refuse. */
function firstOf(upstreams: readonly (UpstreamChoice | null)[]): string {
  if (!Array.isArray(upstreams)) return '';
  const [first] = upstreams.toSorted((a, b) => a?.priority - b?.priority || b?.weight - a?.weight);
  return first?.url ?? '';
}
