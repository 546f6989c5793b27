import { sql } from 'drizzle-orm';
import { bigint, boolean, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { id, xid8 } from './columns.ts';
import { regions } from './schema.ts';

/**
 * What propagation receipts are made of (docs/adr/0012-fences.md). Progress is derived from these rows whenever it is
 * asked for: each is written once, by whoever has done what it tells of, and doing it again changes nothing.
 */
const moment = (name: string) => timestamp(name, { withTimezone: true });

/** One change. Made by `open_fence()` in the transaction of the change, and kept for a day. */
export const fences = pgTable(
  'fences',
  {
    id: id('id').primaryKey(),
    /** Whose it is; null for the platform's own. */
    tenantId: id('tenant_id'),
    /** The transaction of the change: a complete sweep whose mark is above it has covered the change. */
    xid: xid8('xid').notNull().default(sql`pg_current_xact_id()`),
    createdAt: moment('created_at').notNull().default(sql`clock_timestamp()`),
    /** When the last change of that transaction was captured, just before it committed. */
    committedAt: moment('committed_at').notNull().default(sql`clock_timestamp()`),
    /** Outbox rows ever written for it, by its own transaction and by the cascade after it. */
    rowsWritten: integer('rows_written').notNull().default(0),
    /** Of these, the ones a relay has turned into jobs. One that was lost is never counted here. */
    rowsRelayed: integer('rows_relayed').notNull().default(0),
    relayedAt: moment('relayed_at'),
    /** The contexts it changed; null where these are not all, because there are many or others follow them. */
    contexts: text('contexts').array().default(sql`'{}'`),
    /** Somebody waits for it until then. */
    awaitedUntil: moment('awaited_until'),
  },
  (t) => [
    index('fences_created').on(t.createdAt),
    index('fences_tenant').on(t.tenantId, t.id),
    index('fences_awaited').on(t.awaitedUntil).where(sql`awaited_until is not null`),
  ],
);

/** A region concerned by a fence. */
export const fenceRegions = pgTable(
  'fence_regions',
  {
    fence: id('fence').notNull(),
    /** No foreign key: a revocation waits for nobody who holds the region's row. */
    region: id('region').notNull(),
    /** When it was first known to be stored there. */
    storedAt: moment('stored_at'),
    /** When every live gateway of the region was first known to have seen it. */
    seenAt: moment('seen_at'),
  },
  (t) => [
    primaryKey({ columns: [t.fence, t.region] }),
    index('fence_regions_unseen').on(t.region, t.fence).where(sql`seen_at is null`),
  ],
);

/** A refresh job that was made for a fence in a region: the fence is not stored there before the job has its receipt. */
export const fenceJobs = pgTable(
  'fence_jobs',
  {
    fence: id('fence').notNull(),
    region: id('region').notNull(),
    receipt: id('receipt').notNull(),
  },
  (t) => [primaryKey({ columns: [t.fence, t.region, t.receipt] })],
);

/** What a refresh job has done. Written when it has announced, also before the job is known in `fence_jobs`. */
export const receipts = pgTable(
  'receipts',
  {
    id: id('id').primaryKey(),
    storedAt: moment('stored_at').notNull(),
    announcedAt: moment('announced_at').notNull(),
    feedIncarnation: text('feed_incarnation').notNull(),
    feedNumber: bigint('feed_number', { mode: 'number' }).notNull(),
    /** Contexts that were not published, and why; such a receipt proves nothing. */
    heldBack: text('held_back'),
    createdAt: moment('created_at').notNull().default(sql`clock_timestamp()`),
  },
  (t) => [index('receipts_created').on(t.createdAt)],
);

/** What gateways reported into their region's store, as a publisher has read it there. */
export const gateways = pgTable(
  'gateways',
  {
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    id: id('id').notNull(),
    build: text('build').notNull(),
    startedAt: moment('started_at').notNull(),
    /** By the gateway's clock. */
    reportedAt: moment('reported_at').notNull(),
    /**
     * By this database's clock: when this report was first seen. It counts as live for `lifetime_ms` from here. One that
     * was old when it was seen counts as seen that long ago.
     */
    observedAt: moment('observed_at').notNull(),
    lifetimeMs: integer('lifetime_ms').notNull(),
    watermark: bigint('watermark', { mode: 'number' }).notNull(),
    feedIncarnation: text('feed_incarnation'),
    cachedContexts: integer('cached_contexts').notNull(),
    degraded: boolean('degraded').notNull(),
  },
  (t) => [primaryKey({ columns: [t.region, t.id] })],
);

/** How a region is, as told last by a publisher that reaches it, if one does. */
export const regionReports = pgTable('region_reports', {
  region: id('region')
    .primaryKey()
    .references(() => regions.id, { onDelete: 'cascade' }),
  /** `open`, `behind`, `refused`, `ahead`, `opening`: see publisher/region.ts. */
  state: text('state').notNull(),
  reason: text('reason'),
  reportedAt: moment('reported_at').notNull(),
  /** When a listing of its gateways was last begun that succeeded. */
  collectedAt: moment('collected_at'),
});
