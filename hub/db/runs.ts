import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';
import { hubState, regionRuns } from './schema.ts';

/** Where the hub stands in its present run, as one region's publisher needs it. */
export interface RunState {
  epoch: number;
  run: number;
  /** No revision from here on was committed before this run. */
  runFirst: number;
  /** The region was compared with the hub in this run: what it has seen since then is this run's. */
  confirmed: boolean;
}

/**
 * The present run, noted if nobody has yet. One small query where it is.
 * @param region none: for nobody's eyes in particular, `confirmed` is false.
 */
export async function runState(db: Queryable, region: string): Promise<RunState> {
  for (;;) {
    const [row] = await db.execute<{
      epoch: number;
      run: number;
      run_first: string;
      noted: boolean;
      confirmed: boolean;
    }>(sql`
      select s.epoch, s.run, s.run_first::text as run_first, s.run_mark = current_run_mark() as noted,
        coalesce(r.run = s.run, false) as confirmed
      from ${hubState} s left join ${regionRuns} r on r.region = ${region}`);
    const { epoch, run, run_first, noted, confirmed } = row!;
    if (noted) return { epoch, run, runFirst: Number(run_first), confirmed };
    await beginRun(db);
  }
}

/** Notes that a new run has begun, where one has: before anything is drawn in it. */
export async function beginRun(db: Queryable): Promise<void> {
  await db.execute(sql`select begin_run()`);
}

/** The region was compared with the hub in that run, and was not ahead. */
export async function confirmRun(db: Queryable, region: string, run: number): Promise<void> {
  await db.execute(sql`
    insert into ${regionRuns} as r (region, run) select id, ${run}::int from regions where id = ${region}
    on conflict (region) do update set run = excluded.run where r.run < excluded.run`);
}
