import { sql } from 'drizzle-orm';
import type { FeedHead } from '../../contexts/store.ts';
import type { Queryable } from './client.ts';
import { receipts } from './fence-tables.ts';
import { fencesChannel, someoneWaits } from './fences.ts';

/** What a refresh job has done in its region. Ages, so that no publisher's wall clock is compared with another's. */
export interface Receipt {
  id: string;
  storedAgoMs: number;
  announcedAgoMs: number;
  /** Where the feed stood once all was announced. */
  feed: FeedHead;
  /** Which contexts were not published, and why; null where all were. */
  heldBack: string | null;
}

/** Writes it down, and wakes whoever waits. Of a job that ran twice, a receipt for everything stays. */
export async function writeReceipt(db: Queryable, receipt: Receipt): Promise<void> {
  const { id, storedAgoMs, announcedAgoMs, feed, heldBack } = receipt;
  const ago = (ageMs: number) => sql`clock_timestamp() - ${ageMs} * interval '1 millisecond'`;
  await db.execute(sql`
    with written as (
      insert into ${receipts} as r (id, stored_at, announced_at, feed_incarnation, feed_number, held_back)
      values (${id}, ${ago(storedAgoMs)}, ${ago(announcedAgoMs)}, ${feed.incarnation}, ${feed.number}, ${heldBack})
      on conflict (id) do update set stored_at = excluded.stored_at, announced_at = excluded.announced_at,
        feed_incarnation = excluded.feed_incarnation, feed_number = excluded.feed_number, held_back = excluded.held_back
      where r.held_back is not null)
    select pg_notify(${fencesChannel}, '') where ${someoneWaits}`);
}
