import { sql } from 'drizzle-orm';
import { clusters, holdings, type PlacementOverrides, placements } from '../schema.ts';
import { defineBuilder } from './builder.ts';

interface Row {
  key: string;
  tenant_id: string;
  name: string;
  status: 'active' | 'disabled';
  upstream_url: string;
  settings: never;
  /** Null where somebody wrote JSON's null: nothing is overridden. */
  overrides: PlacementOverrides | null;
}

/** A region holds the clusters placed there; what the placement overrides replaces the global value as a whole. */
export const clusterBuilder = defineBuilder({
  kind: 'cluster',
  derive: (region) => sql`
    select ${clusters.id} as "key", ${clusters.tenantId} as tenant_id, ${clusters.name} as name,
      ${clusters.status} as status, ${clusters.upstreamUrl} as upstream_url, ${clusters.settings} as settings,
      ${placements.overrides} as overrides
    from ${clusters} join ${placements} on ${placements.clusterId} = ${clusters.id}
    where ${placements.region} = ${region}`,
  holders: (keys) => sql`select k as "key", regions_of_cluster(k) as regions from unnest(${keys}) k`,
  leftOnPurpose: (region, key) => sql`
    select ${holdings.intended} from ${holdings}
    where ${holdings.clusterId} = ${key} and ${holdings.region} = ${region}`,
  toBody: (row: Row) => ({
    tenantId: row.tenant_id,
    name: row.name,
    status: row.status,
    upstreamUrl: row.overrides?.upstreamUrl ?? row.upstream_url,
    settings: (row.overrides?.settings as never) ?? row.settings,
  }),
});
