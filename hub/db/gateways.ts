import { sql } from 'drizzle-orm';
import type { GatewayStatus } from '../../contexts/store.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { gateways, regionReports } from './fence-tables.ts';
import { noteReporting } from './key-uses.ts';
import { hubNow } from './sweeps.ts';

/** A region as a publisher sees it. */
export interface RegionReport {
  region: string;
  state: string;
  reason: string | null;
}

/** How a region is, as told last by a publisher that reaches it, if one does; and milliseconds since it was told. */
export interface RegionLook extends Omit<RegionReport, 'region'> {
  ageMs: number;
}

export async function readRegionLooks(db: Queryable): Promise<Map<string, RegionLook>> {
  const rows = await db.execute<RegionReport & { age: string } & Record<string, unknown>>(sql`
    select region, state, reason, extract(epoch from clock_timestamp() - reported_at) * 1000 as age
    from ${regionReports}`);
  return new Map(
    rows.map(({ region, state, reason, age }) => [region, { state, reason, ageMs: Number(age) }]),
  );
}

export interface ListedGateway extends GatewayStatus {
  /** For how long whoever lists it has found this very report; 0 for one that is new to it. */
  unmovedMs: number;
}

/** What was read from a region's store. */
export interface Listing {
  statuses: readonly ListedGateway[];
  /** Milliseconds since the reading was begun. */
  begunAgoMs: number;
}

/** What one publisher told last of one region: by the moment of it, it knows its own word again. */
export interface LastWord {
  reportedAt: string | null;
}

/**
 * For how long a publisher that says that it publishes to a region is believed against others that cannot: three times
 * the pause between two reports. A region that one of several reaches is published to; the others say what they lack in
 * their metrics and their `/readyz`.
 */
const openBelievedMs = 15_000;

/** Writes down how a region is, where its gateways could not be listed. */
export async function reportRegion(db: Queryable, report: RegionReport, word: LastWord): Promise<void> {
  await writeReport(db, report, word, undefined);
}

/**
 * Writes down what a region's gateways reported, and then that they were listed. A gateway counts as live from the
 * moment its report was first seen, for as long as it said itself: no two clocks are compared. One that left says so,
 * and is forgotten; one that only stopped reporting is waited for, for `forgetAfterMs`.
 *
 * A report that is new here may be of a gateway that ended long ago, or of one whose clock is behind. It says itself that
 * it is older than `forgetAfterMs`, by the earlier of this publisher's clock and the database's; then it has its own
 * lifetime to move. Until then it is waited for like any other, and a fence is not taken for seen without it.
 *
 * Returns how many have reported anew.
 */
export async function recordGateways(
  db: Queryable,
  report: RegionReport,
  { statuses, begunAgoMs }: Listing,
  { nowMs, forgetAfterMs, word }: { nowMs: number; forgetAfterMs: number; word: LastWord },
): Promise<number> {
  const isGone = (status: GatewayStatus) => status.expiresAtMs <= status.reportedAtMs;
  const staying = statuses.filter((one) => !isGone(one));
  const oldAt = (atMs: number) => staying.filter((one) => one.expiresAtMs <= atMs - forgetAfterMs);
  // Nearly always nobody is, and the database need not be asked what time it is.
  const old = new Set(oldAt(nowMs).length === 0 ? [] : oldAt(Math.min(nowMs, await hubNow(db))));
  const waitedForMs = (one: ListedGateway) => lifetimeMsOf(one) + (old.has(one) ? 0 : forgetAfterMs);
  const here = staying.filter((one) => one.unmovedMs <= waitedForMs(one));
  const rows = here.map((status) => ({
    ...status,
    lifetimeMs: lifetimeMsOf(status),
    seenAgoMs: old.has(status) ? forgetAfterMs : 0,
  }));
  const moment = (column: string) => sql.raw(`to_timestamp(g."${column}" / 1000.0)`);
  const changed = await db.execute(sql`
    insert into ${gateways} as held (region, id, build, started_at, reported_at, observed_at, lifetime_ms, watermark,
      feed_incarnation, cached_contexts, degraded)
    select ${report.region}, g.id, g.build, ${moment('startedAtMs')}, ${moment('reportedAtMs')},
      clock_timestamp() - g."seenAgoMs" * interval '1 millisecond', g."lifetimeMs", g.watermark, g."feedIncarnation", g."cachedContexts", g.degraded
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as g (id text, build text, "startedAtMs" float8,
      "reportedAtMs" float8, "lifetimeMs" integer, "seenAgoMs" float8, watermark bigint, "feedIncarnation" text, "cachedContexts" integer,
      degraded boolean)
    order by g.id
    on conflict (region, id) do update set build = excluded.build, started_at = excluded.started_at,
      reported_at = excluded.reported_at, observed_at = clock_timestamp(), lifetime_ms = excluded.lifetime_ms,
      watermark = excluded.watermark, feed_incarnation = excluded.feed_incarnation,
      cached_contexts = excluded.cached_contexts, degraded = excluded.degraded
    where held.reported_at is distinct from excluded.reported_at
    returning 1`);
  const gone = textArray(statuses.filter(isGone).map((status) => status.id));
  await db.execute(sql`
    delete from ${gateways} where region = ${report.region} and (id = any(${gone})
      or observed_at + (lifetime_ms + ${forgetAfterMs}) * interval '1 millisecond' < clock_timestamp())`);
  await noteReporting(db, report.region, here);
  await writeReport(db, report, word, begunAgoMs);
  return changed.length;
}

function lifetimeMsOf(status: GatewayStatus): number {
  return Math.round(status.expiresAtMs - status.reportedAtMs);
}

async function writeReport(
  db: Queryable,
  { region, state, reason }: RegionReport,
  word: LastWord,
  listedAgoMs: number | undefined,
): Promise<void> {
  const collectedAt =
    listedAgoMs === undefined
      ? sql`null::timestamptz`
      : sql`clock_timestamp() - ${listedAgoMs} * interval '1 millisecond'`;
  const [written] = await db.execute<{ reported_at: string }>(sql`
    insert into ${regionReports} as r (region, state, reason, reported_at, collected_at)
    values (${region}, ${state}, ${reason}, clock_timestamp(), ${collectedAt})
    on conflict (region) do update set state = excluded.state, reason = excluded.reason,
      reported_at = excluded.reported_at, collected_at = greatest(r.collected_at, excluded.collected_at)
    where excluded.state = 'open' or r.state <> 'open' or r.reported_at = ${word.reportedAt}::text::timestamptz
      or r.reported_at < clock_timestamp() - ${openBelievedMs} * interval '1 millisecond'
    returning r.reported_at::text`);
  word.reportedAt = written?.reported_at ?? null;
}
