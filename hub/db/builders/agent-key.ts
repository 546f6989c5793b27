import { sql } from 'drizzle-orm';
import { type BoundsRow, boundsColumns, boundsOf } from '../agent-key-bounds.ts';
import { agentKeys, holdings, placements } from '../schema.ts';
import { defineBuilder } from './builder.ts';
import { mayReside } from './residency.ts';

interface Row extends BoundsRow {
  key: string;
  tenant_id: string;
  cluster_id: string;
  status: 'active' | 'disabled';
  expires_at_ms: number | null;
  permissions: string[];
}

/** A region holds the keys of the clusters placed there. */
export const agentKeyBuilder = defineBuilder({
  kind: 'agent-key',
  derive: (region) => sql`
    select ${agentKeys.id} as "key", ${agentKeys.tenantId} as tenant_id, ${agentKeys.clusterId} as cluster_id,
      ${boundsColumns}, ${agentKeys.status} as status,
      case
        when ${agentKeys.expiresAt} = 'infinity' then null
        when ${agentKeys.expiresAt} < 'epoch' then 0 -- '-infinity' is no number
        else floor(extract(epoch from ${agentKeys.expiresAt}) * 1000)::float8
      end as expires_at_ms,
      to_json(${agentKeys.permissions}) as permissions
    from ${agentKeys}
    join ${placements} on ${placements.clusterId} = ${agentKeys.clusterId}
    where ${placements.region} = ${region} and ${mayReside(agentKeys.tenantId, region)}`,
  holders: (keys) => sql`
    select ${agentKeys.id} as "key", regions_of_cluster(${agentKeys.clusterId}) as regions
    from ${agentKeys} where ${agentKeys.id} = any(${keys})`,
  leftOnPurpose: (region, key) => sql`
    select ${holdings.intended} from ${agentKeys} join ${holdings} on ${holdings.clusterId} = ${agentKeys.clusterId}
    where ${agentKeys.id} = ${key} and ${holdings.region} = ${region}`,
  toBody: (row: Row) => {
    const { allowedNetworks, rateLimit, verifier, verifiers } = boundsOf(row);
    return {
      ...(allowedNetworks === undefined ? {} : { allowedNetworks }),
      clusterId: row.cluster_id,
      expiresAtMs: row.expires_at_ms,
      permissions: row.permissions,
      ...(rateLimit === undefined ? {} : { rateLimit }),
      status: row.status,
      tenantId: row.tenant_id,
      verifier,
      ...(verifiers === undefined ? {} : { verifiers }),
    };
  },
});
