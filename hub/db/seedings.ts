import { sql } from 'drizzle-orm';
import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import type { Queryable } from './client.ts';
import { agentKeys, heads, holdings, regions, type SeedingCursor, seedings } from './schema.ts';

export type SeedingCause = (typeof seedings.$inferSelect)['cause'];

/**
 * Asks for the region to be seeded, or joins the seeding that is not finished. `fresh` is the incarnation of a table
 * to which nothing was published yet, which is filled without comparing. Returns the seeding's id.
 */
export async function requestSeeding(
  db: Queryable,
  wanted: { id: string; region: string; cause: SeedingCause; fresh?: string },
): Promise<string> {
  const { id, region, cause, fresh = null } = wanted;
  const [row] = await db.execute<{ id: string }>(sql`
    insert into ${seedings} as s (id, region, cause, fresh) values (${id}, ${region}, ${cause}, ${fresh})
    on conflict (region) where finished_at is null do update set fresh = coalesce(excluded.fresh, s.fresh)
    returning s.id`);
  await db.execute(sql`select pg_notify('spokecast_sweeps', '')`);
  return row!.id;
}

/** Seedings that nobody has said anything of for some seconds: not begun, failed, or their publisher is gone. */
export async function dueSeedings(db: Queryable): Promise<{ id: string; region: string }[]> {
  const rows = await db.execute<{ id: string; region: string }>(sql`
    select s.id, s.region from ${seedings} s join ${regions} r on r.id = s.region
    where s.finished_at is null and r.status <> 'disabled'
      and (s.progressed_at is null or s.progressed_at < clock_timestamp() - interval '5 seconds')
    order by s.id`);
  return [...rows];
}

export interface SeedingState {
  cause: SeedingCause;
  begun: boolean;
  fresh: string | null;
  cursor: SeedingCursor | null;
  filled: number;
  total: number | null;
  sweeps: number;
}

/** Begins a seeding or goes on with it; undefined where it is finished or gone. */
export async function beginSeeding(db: Queryable, id: string): Promise<SeedingState | undefined> {
  const [row] = await db.execute<SeedingState & Record<string, unknown>>(sql`
    update ${seedings} s set started_at = coalesce(s.started_at, clock_timestamp()), progressed_at = clock_timestamp(),
      phase = case when s.phase = 'waiting' then 'filling' else s.phase end
    from ${seedings} before
    where s.id = ${id} and s.finished_at is null and before.id = s.id
    returning s.cause, before.started_at is not null as begun, s.fresh, s.cursor, s.filled, s.total, s.sweeps`);
  return row;
}

export interface SeedingProgress {
  phase: 'filling' | 'checking';
  cursor?: SeedingCursor;
  total?: number;
  filled?: number;
  checked?: number;
  sweeps?: number;
}

export async function reportSeeding(db: Queryable, id: string, progress: SeedingProgress): Promise<void> {
  const { phase, cursor, total, filled, checked, sweeps } = progress;
  await db.execute(sql`
    update ${seedings} set progressed_at = clock_timestamp(), phase = ${phase}, error = null,
      cursor = coalesce(${cursor ? JSON.stringify(cursor) : null}::jsonb, cursor),
      total = coalesce(${total ?? null}::int, total), filled = coalesce(${filled ?? null}::int, filled),
      checked = coalesce(${checked ?? null}::int, checked), sweeps = coalesce(${sweeps ?? null}::int, sweeps)
    where id = ${id} and finished_at is null`);
}

/** Why it does not go on now. It is tried again. */
export async function noteSeedingTrouble(db: Queryable, id: string, error: string): Promise<void> {
  await db.execute(sql`
    update ${seedings} set error = ${error}, progressed_at = clock_timestamp() where id = ${id} and finished_at is null`);
}

/** The region is verified to hold everything: one that was new is active from now on. */
export async function finishSeeding(db: Queryable, id: string): Promise<void> {
  await db.execute(sql`
    with done as (
      update ${seedings} set phase = 'finished', finished_at = clock_timestamp(), progressed_at = clock_timestamp(),
        error = null where id = ${id} and finished_at is null returning region
    )
    update ${regions} r set status = 'active', updated_at = now() from done where r.id = done.region and r.status = 'seeding'`);
}

/**
 * What a region may have held before its table was lost and is not to hold: deleted within the time for which
 * tombstones are kept, or of a cluster that left it. In memory at once.
 */
export async function lostTombstones(
  db: Queryable,
  region: string,
  retentionMs: number,
): Promise<ContextRef[]> {
  const rows = await db.execute<{ kind: KindName; key: string }>(sql`
    select kind, key from ${heads}
      where deleted and changed_at > clock_timestamp() - ${retentionMs} * interval '1 millisecond'
    union select 'cluster', cluster_id from ${holdings} where region = ${region} and until is not null
    union select 'agent-key', a.id from ${agentKeys} a join ${holdings} h using (cluster_id)
      where h.region = ${region} and h.until is not null`);
  return [...rows];
}
