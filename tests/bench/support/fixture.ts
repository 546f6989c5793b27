import type postgres from 'postgres';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';

export interface Fixture {
  tenants: number;
  clusters: number;
  keys: number;
}

/**
 * Of `contexts` in one region, one in a thousand is a tenant, one in a hundred a cluster, and the rest are keys. The
 * first tenant has half of them.
 */
export function shapeOf(contexts: number): Fixture {
  const tenants = Math.max(1, Math.round(contexts / 1000));
  const clusters = Math.max(1, Math.round(contexts / 100));
  return { tenants, clusters, keys: contexts - tenants - clusters };
}

/**
 * Fills the hub with tenants, clusters and keys, every cluster placed in all `regions`, or one after another in each
 * (and the keys as well, if there are as many clusters as regions), by four statements that go through
 * the capture like any other. Then forgets the outbox and calls the placements settled: what it would set off is not
 * what is measured, and no publisher runs yet.
 */
export async function fillHub(
  sql: postgres.Sql,
  shape: Fixture,
  regions: readonly string[],
  placed: 'in-all' | 'one-each' = 'in-all',
): Promise<void> {
  const id = (prefix: string, number: string) =>
    sql.unsafe(`'${prefix}_' || lpad((${number})::text, 26, '0')`);
  const { tenants, clusters, keys } = shape;
  await sql.begin(async (tx) => {
    await tx`set local statement_timeout = 0`;
    await tx`insert into tenants (id, name) select ${id('ten', 'n')}, 'tenant ' || n from generate_series(1, ${tenants}::int) n`;
    await tx`
      insert into clusters (id, tenant_id, name, upstream_url)
      select ${id('vci', 'n')}, case when n % 2 = 0 then ${id('ten', '1')} else ${id('ten', `1 + (n - 1) / 2 % ${tenants}`)} end, 'cluster ' || n, 'http://127.0.0.1:9/'
      from generate_series(1, ${clusters}::int) n`;
    for (const [at, region] of regions.entries())
      await tx`
        insert into placements (cluster_id, region)
        select id, ${region} from (select id, row_number() over (order by id) as n from clusters) numbered
        where ${placed === 'in-all'} or (n - 1) % ${regions.length} = ${at}`;
    await tx`
      insert into agent_keys (id, cluster_id, name, verifier)
      select ${id('aki', 'n')}, ${id('vci', `1 + (n - 1) % ${clusters}`)}, 'key ' || n,
        substr(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), 1, 43)
      from generate_series(1, ${keys}::int) n`;
    await tx`delete from outbox`;
    await tx`update holdings set settled = true`;
  });
  for (const table of ['tenants', 'clusters', 'placements', 'agent_keys', 'heads', 'holdings', 'outbox'])
    await sql.unsafe(`vacuum analyze ${table}`);
}

/** The ids of keys that {@link fillHub} made. */
export function keyIds(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `aki_${String(from + i).padStart(26, '0')}`);
}

/** One key of the first cluster whose secret is known. */
export async function insertKnownKey(sql: postgres.Sql): Promise<{ id: string; secret: string }> {
  const id = newId('agentKey', systemClock, systemRandom);
  const secret = newSecret('agentKey', id, systemRandom);
  await sql`
    insert into agent_keys (id, cluster_id, name, verifier)
    select ${id}, id, 'known', ${verifierOf(secret)} from clusters order by id limit 1`;
  return { id, secret };
}
