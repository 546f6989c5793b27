import { and, asc, eq, gt, lte, sql } from 'drizzle-orm';
import { auditLog } from './audit-table.ts';
import type { Queryable } from './client.ts';
import { events } from './event-tables.ts';

/** Tells hubs that there is something new to place. A hint: it stands in the table. */
export const eventsChannel = 'spokecast_events';

/** For how long events are kept: as long as the fences they speak of. */
export const eventsKeptHours = 24;

/** How far the stream is. `epoch` tells positions apart that were given before and after a restore. */
export interface StreamState {
  epoch: number;
  last: number;
  trimmed: number;
}

/** An event that has its place. */
export interface PlacedEvent {
  position: number;
  at: Date;
  tenantId: string | null;
  fence: string | null;
  step: 'relayed' | 'stored' | 'seen' | null;
  region: string | null;
  /** Null where the event is about propagation, or the entry is gone. */
  entry: typeof auditLog.$inferSelect | null;
}

/** Events placed at a time. */
const placedMax = 1000;

/** Gives their places to events that have committed since, and tells how far the stream is. */
export async function placeEvents(db: Queryable): Promise<StreamState> {
  const [state] = await db.execute<{ epoch: number; last: string; trimmed: string }>(sql`
    with placed as materialized (select place_events(${placedMax}) as last)
    select (select epoch from hub_state) as epoch, placed.last, (select trimmed from event_stream) as trimmed from placed`);
  return { epoch: state!.epoch, last: Number(state!.last), trimmed: Number(state!.trimmed) };
}

/** What stands after `after`, and not after `upTo`, in order; of one tenant, or of all where it is null. */
export async function readEvents(
  db: Queryable,
  range: { after: number; upTo: number; tenantId: string | null; limit: number },
): Promise<PlacedEvent[]> {
  const { after, upTo, tenantId, limit } = range;
  const concerned = tenantId === null ? undefined : eq(events.tenantId, tenantId);
  const rows = await db
    .select({ event: events, entry: auditLog })
    .from(events)
    .leftJoin(auditLog, eq(auditLog.id, events.auditEntry))
    .where(and(gt(events.position, after), lte(events.position, upTo), concerned))
    .orderBy(asc(events.position))
    .limit(limit);
  return rows.map(({ event: { position, at, tenantId, fence, step, region }, entry }) => ({
    ...{ position: position!, at, tenantId, fence, step, region, entry },
  }));
}

/** Removes up to `limit` events that were kept long enough. Returns how many. */
export async function trimEvents(db: Queryable, limit: number): Promise<number> {
  const [row] = await db.execute<{ removed: number }>(
    sql`select trim_events(${limit}, ${eventsKeptHours} * interval '1 hour') as removed`,
  );
  return row!.removed;
}
