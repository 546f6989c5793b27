import { type SQL, sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { fenceRegions, fences } from './fence-tables.ts';
import { unsynced } from './unsynced.ts';

/**
 * A fence is an id of one change that stands for every context it touched, also for those that follow it after its
 * commit. docs/adr/0012-fences.md says how its progress is known.
 *
 * Channels: `spokecast_awaits` tells publishers that somebody waits, `spokecast_fences` tells hubs that something
 * may have come further. Both are hints: what they tell of stands in the tables.
 */
export const awaitsChannel = 'spokecast_awaits';
export const fencesChannel = 'spokecast_fences';

/**
 * Has publishers look at gateways often while somebody waits. Unsynced: what notifies has others wait until it has
 * committed, and that somebody waits need not outlive a crash.
 */
export async function awaitFence(db: Queryable, id: string, forMs: number): Promise<void> {
  await db.execute(sql`
    with awaited as (
      update ${fences} set awaited_until =
        greatest(awaited_until, clock_timestamp() + ${Math.ceil(forMs)} * interval '1 millisecond')
      where id = ${id})
    select pg_notify(${awaitsChannel}, ''), ${unsynced}`);
}

/** Wakes hubs in which somebody waits; costs next to nothing where nobody does. */
export async function notifyProgress(db: Queryable): Promise<void> {
  await db.execute(sql`select pg_notify(${fencesChannel}, ''), ${unsynced} where ${someoneWaits}`);
}

/** Whether anybody waits for any fence. By `now()`: no index is asked for what changes while a statement runs. */
export const someoneWaits = sql`exists (select from ${fences} where awaited_until > now())`;

/** Regions that somebody waits for, as far as their gateways are not all known to have seen what is waited for. */
export async function awaitedRegions(db: Queryable): Promise<string[]> {
  const rows = await db.execute<{ region: string }>(sql`
    select distinct r.region from ${fences} f join ${fenceRegions} r on r.fence = f.id
    where f.awaited_until > now() and r.seen_at is null`);
  return rows.map((row) => row.region);
}

/** A gateway that is not known to have seen a fence. */
export interface Laggard {
  id: string;
  /** It reports, but not yet this; it reports, but no place in the feed at all; or it has stopped reporting. */
  state: 'behind' | 'verifying' | 'unknown';
  watermark: number;
  /** Milliseconds since its latest report was found in the region's store. */
  reportAgeMs: number;
  /** For how long that report counts. */
  lifetimeMs: number;
}

/** A fence in one region. Moments are milliseconds since the Unix epoch by the database's clock. */
export interface RegionProgress {
  region: string;
  regionStatus: 'active' | 'draining' | 'disabled';
  storedAtMs: number | null;
  announcedAtMs: number | null;
  seenAtMs: number | null;
  /** Refresh jobs made for it that have not published all they name. */
  jobsOpen: number;
  /** Why one of them did not (empty where that is not to be told); null where none said so. */
  heldBack: string | null;
  /** The state of the region as a publisher last told, and how long ago. */
  report: { state: string; reason: string | null; ageMs: number } | null;
  /** Gateways known in the region, those that stopped reporting included. */
  gateways: number;
  seenBy: number;
  /** Gateways were listed after the fence was announced, so that none that lives is missing. */
  listed: boolean;
  laggards: Laggard[];
  /** Stored, and seen by every gateway. */
  complete: boolean;
}

export interface FenceProgress {
  id: string;
  tenantId: string | null;
  committedAtMs: number;
  relayedAtMs: number | null;
  rowsWritten: number;
  rowsRelayed: number;
  /** What it changed, as `kind/key`; null where these are not all. */
  contexts: string[] | null;
  regions: RegionProgress[];
}

/**
 * How far a fence is; undefined where there is none, or no longer.
 *
 * A fence is *stored* in a region when each of its outbox rows was relayed and each job made of them for the region
 * has a receipt, or else when a sweep that was complete after its commit has left out none of its contexts. Each of
 * the two names a place in the region's feed; a gateway has *seen* the fence when its watermark is there.
 */
export async function readFence(db: Queryable, id: string): Promise<FenceProgress | undefined> {
  return (await readFences(db, [id]))[0];
}

interface FenceRow extends Record<string, unknown> {
  id: string;
  tenant_id: string | null;
  committed_at_ms: string;
  relayed_at_ms: string | null;
  rows_written: number;
  rows_relayed: number;
  contexts: string[] | null;
}

/** How far these fences are, in their order; those that are not there are left out. */
export async function readFences(db: Queryable, ids: readonly string[]): Promise<FenceProgress[]> {
  const wanted = textArray(ids);
  const found = await db.execute<FenceRow>(sql`
    select id, tenant_id, ${ms('committed_at')} as committed_at_ms, ${ms('relayed_at')} as relayed_at_ms,
      rows_written, rows_relayed, contexts
    from ${fences} where id = any(${wanted})`);
  if (found.length === 0) return [];
  const rows = await db.execute<ProgressRow & { fence: string }>(
    sql`${progress(sql`f.id = any(${wanted})`)} order by fence, region`,
  );
  const byId = new Map(found.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const fence = byId.get(id);
    return fence
      ? [
          toProgress(
            fence,
            rows.filter((row) => row.fence === id),
          ),
        ]
      : [];
  });
}

function toProgress(fence: FenceRow, rows: readonly ProgressRow[]): FenceProgress {
  const relayed = fence.rows_relayed >= fence.rows_written;
  return {
    id: fence.id,
    tenantId: fence.tenant_id,
    committedAtMs: Number(fence.committed_at_ms),
    relayedAtMs: relayed && fence.relayed_at_ms !== null ? Number(fence.relayed_at_ms) : null,
    rowsWritten: fence.rows_written,
    rowsRelayed: fence.rows_relayed,
    contexts: fence.contexts,
    regions: rows.map(toRegionProgress),
  };
}

/** Ids of fences that concern a region, the latest first: of one tenant's, or of everybody's where it is null. */
export async function latestFences(
  db: Queryable,
  page: { tenantId: string | null; before: string | undefined; limit: number },
): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    select id from ${fences} f where exists (select from ${fenceRegions} r where r.fence = f.id)
      ${page.tenantId === null ? sql`` : sql`and tenant_id = ${page.tenantId}`}
      ${page.before === undefined ? sql`` : sql`and id < ${page.before}`}
    order by id desc limit ${page.limit}`);
  return rows.map(({ id }) => id);
}

/** Which of a region's open fences are looked at: those somebody waits for, or all. */
export type OpenFences = 'awaited' | 'all';

/** As `awaitFence`, for several. */
export async function awaitFences(db: Queryable, ids: readonly string[], forMs: number): Promise<void> {
  await db.execute(sql`
    with awaited as (
      update ${fences} set awaited_until =
        greatest(awaited_until, clock_timestamp() + ${Math.ceil(forMs)} * interval '1 millisecond')
      where id in (select id from ${fences} where id = any(${textArray(ids)}) order by id for no key update))
    select pg_notify(${awaitsChannel}, ''), ${unsynced}`);
}

/**
 * Notes for good which fences are stored in the region by now, and which every gateway there has seen, the newest
 * first: what has been open for hours will be so a little longer. Returns how many were not noted as seen before.
 */
export async function noteSeen(db: Queryable, region: string, which: OpenFences): Promise<number> {
  const concerned = which === 'awaited' ? sql`w.awaited_until > now()` : sql`true`;
  const open = sql`r.region = ${region} and r.seen_at is null and f.id in (
    select o.fence from ${fenceRegions} o join ${fences} w on w.id = o.fence
    where o.region = ${region} and o.seen_at is null and ${concerned}
    order by w.created_at desc limit 1000)`;
  const rows = await db.execute<{ seen: boolean }>(sql`
    with p as materialized (${progress(open)}) -- once, not once more for each row that is updated
    update ${fenceRegions} u set stored_at = coalesce(u.stored_at, p.stored_at, clock_timestamp()),
      seen_at = case when p.complete then clock_timestamp() end
    from p
    where u.fence = p.fence and u.region = p.region and u.seen_at is null
      and (p.complete or (u.stored_at is null and p.stored_at is not null))
    returning u.seen_at is not null as seen`);
  return rows.filter(({ seen }) => seen).length;
}

interface ProgressRow extends Record<string, unknown> {
  region: string;
  region_status: RegionProgress['regionStatus'];
  stored_at_ms: string | null;
  announced_at_ms: string | null;
  seen_at_ms: string | null;
  jobs_open: number;
  held_back: string | null;
  report_state: string | null;
  report_reason: string | null;
  report_age_ms: string | null;
  gateways: number;
  seen_by: number;
  listed: boolean;
  laggards: Laggard[] | null;
  complete: boolean;
}

/** A row a fence and region concerned. `f` is the fence and `r` its row in fence_regions, for the condition. */
function progress(which: SQL): SQL {
  return sql`
    select q.fence, q.region, q.region_status, q.stored_at,
      ${ms('q.stored_at')} as stored_at_ms, ${ms('q.announced_at')} as announced_at_ms, ${ms('q.seen_at')} as seen_at_ms,
      q.jobs_open, q.held_back, q.report_state, q.report_reason, q.report_age_ms, g.gateways, g.seen_by, g.laggards,
      q.listed, q.seen_at is not null or (q.stored_at is not null and q.listed and g.seen_by = g.gateways) as complete
    from (
      select f.id as fence, r.region, r.seen_at, place.status as region_status,
        jobs.proven and jobs.made = 0 as untold, jobs.proven as by_jobs,
        jobs.incarnation as job_incarnation, jobs.number as job_number,
        swept.incarnation as sweep_incarnation, swept.number as sweep_number,
        case when jobs.proven then coalesce(jobs.stored_at, f.relayed_at) else swept.first_at end as stored_at,
        case when jobs.proven then coalesce(jobs.announced_at, f.relayed_at) else swept.first_at end as announced_at,
        jobs.open as jobs_open, jobs.held_back,
        report.state as report_state, report.reason as report_reason,
        extract(epoch from clock_timestamp() - report.reported_at) * 1000 as report_age_ms,
        coalesce(report.collected_at >= least(
          case when jobs.proven then coalesce(jobs.announced_at, f.relayed_at) end, swept.first_at), false) as listed
      from fences f
      join fence_regions r on r.fence = f.id
      join regions place on place.id = r.region
      left join region_reports report on report.region = r.region
      cross join lateral (
        select count(*)::integer as made,
          (count(*) filter (where c.id is null or c.held_back is not null))::integer as open,
          f.rows_relayed >= f.rows_written and count(*) filter (where c.id is null or c.held_back is not null) = 0 as proven,
          max(c.held_back) as held_back, max(c.stored_at) as stored_at, max(c.announced_at) as announced_at,
          case when min(c.feed_incarnation) = max(c.feed_incarnation) then min(c.feed_incarnation) end as incarnation,
          max(c.feed_number) as number
        from fence_jobs j left join receipts c on c.id = j.receipt
        where j.fence = f.id and j.region = r.region
      ) jobs
      cross join lateral (
        -- A feed that was made anew counts from one again: then only a sweep since can tell who has seen what.
        select min(s.finished_at) as first_at,
          (array_agg(s.feed_incarnation order by s.finished_at desc))[1] as incarnation,
          (array_agg(s.feed_number order by s.finished_at desc))[1] as number
        from sweeps s
        where (not jobs.proven or exists (
            select from gateways a where a.region = r.region and a.feed_incarnation is distinct from jobs.incarnation))
          and s.region = r.region and s.status = 'completed' and s.feed_number is not null
          and s.finished_at > f.created_at and s.mark > f.xid and s.mark <= pg_snapshot_xmax(pg_current_snapshot())
          and (s.held_back = '{}' or not (s.held_back && f.contexts))
      ) swept
      where ${which}
    ) q
    cross join lateral (
      select count(*)::integer as gateways, (count(*) filter (where one.seen))::integer as seen_by,
        json_agg(json_build_object('id', one.id, 'watermark', one.watermark,
          'state', case when not one.live then 'unknown' when one.watermark = 0 then 'verifying' else 'behind' end, 'reportAgeMs', one.age_ms,
          'lifetimeMs', one.lifetime_ms)
          order by one.id) filter (where not one.seen) as laggards
      from (
        select a.id, a.watermark, a.lifetime_ms, extract(epoch from clock_timestamp() - a.observed_at) * 1000 as age_ms,
          a.observed_at + a.lifetime_ms * interval '1 millisecond' > clock_timestamp() as live,
          coalesce(q.untold
            or (q.by_jobs and a.feed_incarnation = q.job_incarnation and a.watermark >= q.job_number)
            or (a.feed_incarnation = q.sweep_incarnation and a.watermark >= q.sweep_number), false) as seen
        from gateways a where a.region = q.region
      ) one
    ) g`;
}

function ms(column: string): SQL {
  return sql.raw(`floor(extract(epoch from ${column}) * 1000)`);
}

function toRegionProgress(row: ProgressRow): RegionProgress {
  const number = (text: string | null) => (text === null ? null : Number(text));
  return {
    region: row.region,
    regionStatus: row.region_status,
    storedAtMs: number(row.stored_at_ms),
    announcedAtMs: number(row.announced_at_ms),
    seenAtMs: number(row.seen_at_ms),
    jobsOpen: row.jobs_open,
    heldBack: row.held_back,
    report:
      row.report_state === null
        ? null
        : { state: row.report_state, reason: row.report_reason, ageMs: Number(row.report_age_ms) },
    gateways: row.gateways,
    seenBy: row.seen_at_ms === null ? row.seen_by : row.gateways,
    listed: row.listed,
    laggards: row.seen_at_ms === null ? (row.laggards ?? []) : [],
    complete: row.complete,
  };
}

/** Removes fences older than a day, with all that belongs to them. Returns how many fences went. */
export async function trimFences(db: Queryable, limit: number, hours: number): Promise<number> {
  const old = await db.execute<{ id: string }>(sql`
    delete from ${fences} where id = any(array(
      select id from ${fences} where created_at < now() - ${hours} * interval '1 hour' order by created_at limit ${limit}))
    returning id`);
  const ids = textArray(old.map((row) => row.id));
  await db.execute(sql`delete from fence_regions where fence = any(${ids})`);
  await db.execute(sql`delete from fence_jobs where fence = any(${ids})`);
  await db.execute(sql`
    delete from receipts where id = any(array(
      select id from receipts where created_at < now() - ${hours + 1} * interval '1 hour' order by created_at limit ${limit * 10}))`);
  return old.length;
}
