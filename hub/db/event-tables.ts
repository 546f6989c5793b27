import { sql } from 'drizzle-orm';
import { bigint, boolean, index, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';

/**
 * What the stream of events tells (docs/adr/0034-events.md). Rows are written by triggers, in the transaction of what
 * they tell of, and name it; what it was is read where it stands.
 */
export const events = pgTable(
  'events',
  {
    /** Drawn when the row is written, so after the locks of what it tells of were held. */
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Where it stands in the stream, once it is placed there: dense, and never before one that is placed already. */
    position: bigint('position', { mode: 'number' }),
    at: timestamp('at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    /** Whose it is; null for the platform's own. */
    tenantId: id('tenant_id'),
    /** The entry of the audit log that it is about; null where it is about propagation. */
    auditEntry: id('audit_entry'),
    /** The change it belongs to; null where the change has no fence. */
    fence: id('fence'),
    /** How far that fence has come; null for an entry of the audit log. */
    step: text('step', { enum: ['relayed', 'stored', 'seen'] }),
    /** Where; null for `relayed`. */
    region: id('region'),
  },
  (t) => [
    uniqueIndex('events_position').on(t.position).where(sql`position is not null`),
    index('events_unplaced').on(t.id).where(sql`position is null`),
  ],
);

/** One row: how far the stream has come. Whoever places events holds its lock, so that positions commit in order. */
export const eventStream = pgTable('event_stream', {
  one: boolean('one').primaryKey().default(true),
  /** The position of the last event that was placed. */
  last: bigint('last', { mode: 'number' }).notNull().default(0),
  /** The position of the last event that was removed, because it was kept long enough. */
  trimmed: bigint('trimmed', { mode: 'number' }).notNull().default(0),
});
