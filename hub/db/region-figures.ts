import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';
import type { SweepCounts } from './schema.ts';

/** What a region holds and who serves it, in numbers. */
export interface RegionFigures {
  region: string;
  /** Live contexts at the end of the last sweep; null before the first. */
  contexts: number | null;
  gateways: {
    live: number;
    /** Those that stopped reporting without a word. */
    unknown: number;
    degraded: number;
    builds: string[];
    watermarkLeast: number | null;
    watermarkMost: number | null;
  };
  /** The last complete sweep. */
  sweep: { id: string; finishedAt: Date; counts: Partial<SweepCounts> } | null;
  /** The latest minute in which a change arrived. */
  lag: { lagMs: number; minute: Date } | null;
}

interface Row extends Record<string, unknown> {
  region: string;
  contexts: number | null;
  live: number;
  unknown: number;
  degraded: number;
  builds: string[] | null;
  least: string | null;
  most: string | null;
  sweep: string | null;
  finished_at: string | null;
  counts: Partial<SweepCounts> | null;
  lag_ms: number | null;
  minute: string | null;
}

/** Of every region, in the order of their ids: one statement, however many there are. */
export async function readRegionFigures(db: Queryable): Promise<RegionFigures[]> {
  const rows = await db.execute<Row>(sql`
    select r.id as region, c.contexts, g.*, s.id as sweep, s.finished_at, s.counts, l.lag_ms, l.minute
    from regions r
    cross join lateral (select sum(contexts)::int as contexts from region_contents where region = r.id) c
    cross join lateral (
      select (count(*) filter (where live))::int as live, (count(*) filter (where not live))::int as unknown,
        (count(*) filter (where live and degraded))::int as degraded,
        array_agg(distinct build order by build) filter (where live) as builds,
        min(nullif(watermark, 0)) filter (where live) as least, max(nullif(watermark, 0)) filter (where live) as most
      from (
        select *, observed_at + lifetime_ms * interval '1 millisecond' > clock_timestamp() as live
        from gateways where region = r.id
      ) one
    ) g
    left join lateral (
      select id, finished_at, counts from sweeps
      where region = r.id and status = 'completed' order by finished_at desc limit 1
    ) s on true
    left join lateral (
      select lag_ms, minute from region_lags
      where region = r.id and lag_ms is not null order by minute desc limit 1
    ) l on true
    order by r.id`);
  return rows.map(toFigures);
}

function toFigures(row: Row): RegionFigures {
  const number = (text: string | null) => (text === null ? null : Number(text));
  const { region, contexts, live, unknown, degraded } = row;
  return {
    ...{ region, contexts },
    gateways: {
      ...{ live, unknown, degraded },
      builds: row.builds ?? [],
      watermarkLeast: number(row.least),
      watermarkMost: number(row.most),
    },
    sweep:
      row.sweep === null || row.finished_at === null
        ? null
        : { id: row.sweep, finishedAt: new Date(row.finished_at), counts: row.counts ?? {} },
    lag:
      row.lag_ms === null || row.minute === null ? null : { lagMs: row.lag_ms, minute: new Date(row.minute) },
  };
}
