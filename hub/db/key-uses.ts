import { type SQL, sql } from 'drizzle-orm';
import type { GatewayStatus, KeyUses } from '../../contexts/store.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { agentKeyUses, keyUseRegions } from './key-use-table.ts';
import { agentKeys, placements, regions } from './schema.ts';

/**
 * Writes down what a gateway has said of one region. The latest use stays, whoever tells of it, and however late. A
 * gateway whose clock is ahead makes no use later than now.
 */
export async function recordKeyUses(
  db: Queryable,
  region: string,
  { keys, atMs }: Pick<KeyUses, 'keys' | 'atMs'>,
): Promise<void> {
  if (keys.length === 0) return;
  await db.execute(sql`
    insert into ${agentKeyUses} as held (key, region, last_used_at)
    select used.key, r.id, least(to_timestamp(${atMs / 1000}::float8), clock_timestamp())
    from ${regions} r, (select distinct unnest(${textArray(keys)}) as key) used
    where r.id = ${region} order by used.key
    on conflict (key, region) do update set last_used_at = excluded.last_used_at
      where held.last_used_at < excluded.last_used_at`);
}

/**
 * Notes since when all gateways of a region say which keys they let in: only then is silence about a key evidence. One
 * of a build that cannot, or was told not to, ends it. Where there is none, nobody was let in either.
 */
export async function noteReporting(
  db: Queryable,
  region: string,
  live: readonly Pick<GatewayStatus, 'reportsKeyUses'>[],
): Promise<void> {
  if (live.length === 0) return;
  if (live.every(({ reportsKeyUses }) => reportsKeyUses === true))
    await db.execute(sql`
      insert into ${keyUseRegions} (region, since, read_at) values (${region}, clock_timestamp(), clock_timestamp())
      on conflict (region) do nothing`);
  else await db.execute(sql`delete from ${keyUseRegions} where region = ${region}`);
}

/**
 * Notes that all was read that a region's gateways had said. They keep it for a while only, whether or not anybody reads:
 * after half an hour without a reader something may be missing, and what is known begins anew.
 */
export async function noteUsesRead(db: Queryable, region: string): Promise<void> {
  await db.execute(sql`
    update ${keyUseRegions} set read_at = clock_timestamp(),
      since = case when read_at < now() - interval '30 minutes' then clock_timestamp() else since end
    where region = ${region} and read_at < now() - interval '1 minute'`);
}

/** What is known of the use of a key in one region. */
export interface UseInRegion {
  region: string;
  lastUsedAt: Date | null;
  /** Since when all gateways there tell; null where one does not. */
  since: Date | null;
}

/** The regions that a key is served in, and those it was used in. */
export async function usesOf(db: Queryable, key: string): Promise<UseInRegion[]> {
  const rows = await db.execute<{ region: string; last_used_at: string | null; since: string | null }>(sql`
    select at.region, u.last_used_at, r.since
    from (select p.region from ${agentKeys} k join ${placements} p on p.cluster_id = k.cluster_id where k.id = ${key}
      union select region from ${agentKeyUses} where key = ${key}) at
    left join ${agentKeyUses} u on u.key = ${key} and u.region = at.region
    left join ${keyUseRegions} r on r.region = at.region
    order by at.region`);
  const moment = (text: string | null) => (text === null ? null : new Date(text));
  return rows.map(({ region, last_used_at, since }) => ({
    region,
    lastUsedAt: moment(last_used_at),
    since: moment(since),
  }));
}

/** When each of those keys was last used anywhere, as far as it was told. */
export async function lastUses(db: Queryable, keys: readonly string[]): Promise<Map<string, Date>> {
  if (keys.length === 0) return new Map();
  const rows = await db.execute<{ key: string; at: string }>(sql`
    select key, max(last_used_at) as at from ${agentKeyUses} where key = any(${textArray(keys)}) group by key`);
  return new Map(rows.map(({ key, at }) => [key, new Date(at)]));
}

/** The condition on a row of `agent_keys`: that it is known not to have been used since then, in any region it is served in. */
export function knownUnusedSince(since: string): SQL {
  const wanted = sql`${since}::timestamptz`;
  return sql`(
    not exists (select from ${agentKeyUses} u where u.key = ${agentKeys.id} and u.last_used_at >= ${wanted})
    and not exists (select from ${placements} p left join ${keyUseRegions} r on r.region = p.region
      where p.cluster_id = ${agentKeys.clusterId}
        and (r.since is null or r.since > greatest(${wanted}, ${agentKeys.createdAt}))))`;
}

/** Removes at most `batch` rows about keys that are gone for good: the longest that a deletion is kept is over. */
export async function trimKeyUses(db: Queryable, batch: number): Promise<number> {
  const removed = await db.execute(sql`
    delete from ${agentKeyUses} where (key, region) in (
      select u.key, u.region from ${agentKeyUses} u
      where u.last_used_at < now() - interval '400 days'
        and not exists (select from ${agentKeys} k where k.id = u.key) limit ${batch})
    returning 1`);
  return removed.length;
}
