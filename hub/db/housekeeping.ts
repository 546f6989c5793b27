import { sql } from 'drizzle-orm';
import { auditLog } from './audit-table.ts';
import { trimLosses } from './budget.ts';
import type { Queryable } from './client.ts';
import { purgeDeleted } from './deletions.ts';
import { trimEvents } from './events.ts';
import { trimFences } from './fences.ts';
import { trimKeyUses } from './key-uses.ts';
import { trimLags } from './region-lags.ts';
import { holdings, regions, sweeps } from './schema.ts';

/** Rows removed at a time: a day of them is worked off without a long lock. */
const batch = 1000;

/** For how long the hub keeps what it only keeps for people. */
export interface Retention {
  /** 0 for ever. */
  auditDays: number;
  sweepDays: number;
  fenceHours: number;
}

/**
 * Removes what nobody needs any more: memories of placements that ended over two days ago (the triggers look back
 * one), lags older than a day, deletions that nobody has taken back, and what is beyond its retention. A region's last
 * complete sweep stays, for the next one begins at its mark; and so does the memory of a placement until a sweep has
 * ended it in the region, however long that was out of reach: it says whether the end was meant (law 9).
 */
export async function trimLedger(db: Queryable, retention: Retention): Promise<void> {
  await trimLosses(db);
  await purgeDeleted(db);
  await trimLags(db);
  while ((await trimKeyUses(db, batch)) === batch);
  await db.execute(sql`
    delete from ${holdings} h using ${regions} r cross join lateral (
      select s.started_at from ${sweeps} s
      where s.region = r.id and s.status = 'completed' and s.finished_at is not null and (s.counts ->> 'frozen')::int = 0
      order by s.finished_at desc limit 1) swept
    where h.until < now() - interval '2 days' and h.region = r.id and h.until < swept.started_at`);
  while ((await trimFences(db, batch, retention.fenceHours)) === batch);
  while ((await trimEvents(db, batch)) === batch);
  await db.execute(sql`
    delete from ${sweeps} s where s.requested_at < now() - ${retention.sweepDays} * interval '1 day'
      and exists (select from ${sweeps} later where later.region = s.region and later.status = 'completed'
        and later.id <> s.id and later.finished_at > coalesce(s.finished_at, s.requested_at))`);
  if (retention.auditDays > 0) while ((await trimAudit(db, retention.auditDays)) === batch);
}

/** The oldest come first by their ids, so that no batch looks through what stays. */
async function trimAudit(db: Queryable, days: number): Promise<number> {
  const removed = await db.execute(sql`
    delete from ${auditLog} where id in (
      select id from (select id, at from ${auditLog} order by id limit ${batch}) oldest
      where at < now() - ${days} * interval '1 day')
    returning 1`);
  return removed.length;
}
