import { sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { heartbeats, regions } from './schema.ts';

/**
 * Changes the heartbeat of each of these regions that has had none for `everyMs`, so that several publishers together
 * make no more than one would. A tenth of tolerance, or one that is a moment early would skip a beat.
 */
export async function beat(db: Queryable, ids: readonly string[], everyMs: number): Promise<void> {
  await db.execute(sql`
    insert into ${heartbeats} as h (region)
      select r.id from ${regions} r where r.id = any(${textArray(ids)}) order by r.id
    on conflict (region) do update set beat_at = clock_timestamp()
      where h.beat_at <= clock_timestamp() - ${0.9 * everyMs} * interval '1 millisecond'`);
}
