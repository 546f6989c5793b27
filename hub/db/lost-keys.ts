import { type SQL, sql } from 'drizzle-orm';
import type { KindName } from '../../contexts/kinds/index.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { agentKeys, clusters, placements } from './schema.ts';

/** Which clusters a context stands for where it denies: all their keys are let through no more. None for others. */
const clustersOf: Partial<Record<KindName, SQL>> = {
  tenant: sql`select c.tenant_id as "key", c.id as cluster_id from ${clusters} c`,
  cluster: sql`select c.id as "key", c.id as cluster_id from ${clusters} c`,
};

/** Whether a context of that kind takes keys along when it turns to deny. */
export function takesKeysAlong(kind: KindName): boolean {
  return clustersOf[kind] !== undefined;
}

/**
 * How many live agent keys of the region stop to work where these tenants or clusters deny, by their key. Counting ends
 * one beyond `max`, as nothing more needs to be known by then.
 */
export async function countLostKeys(
  db: Queryable,
  region: string,
  kind: KindName,
  keys: readonly string[],
  max: number,
): Promise<Map<string, number>> {
  const rows = await db.execute<{ key: string; keys: number }>(lostKeysCounted(region, kind, keys, max));
  return new Map(rows.map((row) => [row.key, row.keys]));
}

/** Cluster by cluster, from an index that has all it takes (`agent_keys_cluster_live`), and no further than `max`. */
export function lostKeysCounted(region: string, kind: KindName, keys: readonly string[], max: number): SQL {
  return sql`
    select found."key", count(*)::int as keys from (
      select its."key" from (${clustersOf[kind]!}) its
      join ${placements} p on p.cluster_id = its.cluster_id and p.region = ${region}
      cross join lateral (
        select from ${agentKeys} k
        where k.cluster_id = its.cluster_id and k.status = 'active'
          and (k.expires_at is null or k.expires_at > clock_timestamp())
        limit ${max + 1}) k
      where its."key" = any(${textArray(keys)})
      limit ${max + 1}) found
    group by found."key"`;
}
