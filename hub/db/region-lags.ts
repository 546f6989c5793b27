import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';
import { regionLags } from './lag-table.ts';
import { regions } from './schema.ts';

/** What a publisher saw of a region since it last told. */
export interface LagSample {
  region: string;
  /** Null where no change arrived there. */
  lagMs: number | null;
  state: string;
}

export interface LagOfMinute extends LagSample {
  minute: Date;
}

/** The column's: 24 days. */
const lagMsMax = 2_147_483_647;

/** Writes what was seen into this minute. Of several publishers, and of several samples, the longest lag stays. */
export async function recordLags(db: Queryable, samples: readonly LagSample[]): Promise<void> {
  if (samples.length === 0) return;
  const rows = samples.map((sample) => ({
    ...sample,
    lagMs: sample.lagMs === null ? null : Math.min(lagMsMax, Math.max(0, Math.round(sample.lagMs))),
  }));
  await db.execute(sql`
    insert into ${regionLags} as l (region, minute, lag_ms, state)
    select s.region, date_trunc('minute', clock_timestamp()), s."lagMs", s.state
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as s (region text, "lagMs" integer, state text)
    join ${regions} r on r.id = s.region
    order by s.region
    on conflict (region, minute) do update
      set lag_ms = greatest(l.lag_ms, excluded.lag_ms), state = excluded.state`);
}

/**
 * The last `minutes` of every region, in order of region and minute, `stepMinutes` of them together: of those the longest
 * lag, and the last state in which the region was not open, if there was one.
 */
export async function readLags(
  db: Queryable,
  { minutes, stepMinutes }: { minutes: number; stepMinutes: number },
): Promise<LagOfMinute[]> {
  const rows = await db.execute<{ region: string; minute: string; lag_ms: number | null; state: string }>(sql`
    select region, step as minute, max(lag_ms) as lag_ms,
      coalesce((array_agg(state order by minute desc) filter (where state <> 'open'))[1], 'open') as state
    from (
      select *, date_bin(${stepMinutes} * interval '1 minute', minute, 'epoch') as step from ${regionLags}
      where minute > clock_timestamp() - ${minutes} * interval '1 minute'
    ) l
    group by region, step order by region, step`);
  return rows.map(({ region, minute, lag_ms, state }) => ({
    ...{ region, state },
    lagMs: lag_ms,
    minute: new Date(minute),
  }));
}

/** Removes what is older than a day. */
export async function trimLags(db: Queryable): Promise<void> {
  await db.execute(sql`delete from ${regionLags} where minute < now() - interval '1 day'`);
}
