import { sql } from 'drizzle-orm';
import { trimLosses } from './budget.ts';
import type { Queryable } from './client.ts';
import { trimFences } from './fences.ts';
import { trimLags } from './region-lags.ts';
import { holdings, sweeps } from './schema.ts';

/** Fences removed at a time: a day of them is worked off without a long lock. */
const fencesBatch = 1000;

/**
 * Removes what nobody needs any more: memories of placements that ended over two days ago (the triggers look back
 * one), lags and fences older than a day, and sweeps over a month old, but for the region's last complete one, whose mark the
 * next sweep begins at.
 */
export async function trimLedger(db: Queryable): Promise<void> {
  await trimLosses(db);
  await trimLags(db);
  await db.execute(sql`delete from ${holdings} where until < now() - interval '2 days'`);
  while ((await trimFences(db, fencesBatch)) === fencesBatch);
  await db.execute(sql`
    delete from ${sweeps} s where s.requested_at < now() - interval '30 days'
      and exists (select from ${sweeps} later where later.region = s.region and later.status = 'completed'
        and later.id <> s.id and later.finished_at > coalesce(s.finished_at, s.requested_at))`);
}
