import { sql } from 'drizzle-orm';
import { clusters, holdings, placements, tenants } from '../schema.ts';
import { defineBuilder } from './builder.ts';
import { mayReside } from './residency.ts';

/** A region holds a tenant as long as one of the tenant's clusters is placed there. */
export const tenantBuilder = defineBuilder({
  kind: 'tenant',
  derive: (region) => sql`
    select ${tenants.id} as "key", ${tenants.name} as name, ${tenants.status} as status from ${tenants}
    where exists (
      select from ${clusters} join ${placements} on ${placements.clusterId} = ${clusters.id}
      where ${clusters.tenantId} = ${tenants.id} and ${placements.region} = ${region})
      and ${mayReside(tenants.id, region)}`,
  holders: (keys) => sql`select k as "key", regions_of_tenant(k) as regions from unnest(${keys}) k`,
  // It left with the last of its clusters.
  leftOnPurpose: (region, key) => sql`
    select ${holdings.intended} from ${holdings}
    where ${holdings.tenantId} = ${key} and ${holdings.region} = ${region} order by ${holdings.until} desc limit 1`,
  toBody: (row: { key: string; name: string; status: 'active' | 'suspended' }) => ({
    name: row.name,
    status: row.status,
  }),
});
