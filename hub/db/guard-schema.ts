import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
} from 'drizzle-orm/pg-core';
import { id } from './columns.ts';
import { regions } from './schema.ts';

/**
 * Losses that were let through, so that publishers share one budget (law 9). One row a context and state of it that
 * was lost: doing the same put again costs nothing more.
 */
export const losses = pgTable(
  'losses',
  {
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    kind: id('kind').notNull(),
    key: id('key').notNull(),
    /** What the region held under the key: a version text, or what stands there in its place. */
    replaced: text('replaced').notNull(),
    /** False where a person approved it: it takes nothing from the budget. */
    counted: boolean('counted').notNull(),
    /** Agent keys that stopped to work with it: a tenant or a cluster that turned to deny takes its own along. */
    lostKeys: integer('lost_keys').notNull().default(0),
    at: timestamp('at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ columns: [t.region, t.kind, t.key, t.replaced] }),
    index('losses_window').on(t.region, t.kind, t.at),
  ],
);

export const holdReasons = ['budget', 'kind-empty', 'invalid'] as const;
/**
 * Why a context's last good state stays in place: `budget`, too many losses at once; `kind-empty`, the hub has no row
 * of the kind at all; `invalid`, its content must not be published (quarantine).
 */
export type HoldReason = (typeof holdReasons)[number];

/**
 * Contexts whose change is not published. A row counts only while its head is still at that revision; those a sweep
 * does not find again it removes.
 */
export const holds = pgTable(
  'holds',
  {
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    kind: id('kind').notNull(),
    key: id('key').notNull(),
    reason: text('reason', { enum: holdReasons }).notNull(),
    detail: text('detail').notNull(),
    /** The head's when it was held; null where the hub has no head of it. */
    revision: bigint('revision', { mode: 'number' }),
    /** As in `losses`; null for `invalid`. */
    replaced: text('replaced'),
    since: timestamp('since', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    /** When it was last found to be held. */
    seenAt: timestamp('seen_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    /** A person let it through, and it has not been published yet. */
    approvedAt: timestamp('approved_at', { withTimezone: true }),
  },
  (t) => [
    primaryKey({ columns: [t.region, t.kind, t.key] }),
    index('holds_by_reason').on(t.region, t.reason, t.kind, t.key), // a few that are invalid, among thousands held
    check('holds_reason', sql`${t.reason} in ('budget', 'kind-empty', 'invalid')`),
  ],
);

/** How many live contexts of a kind a region held when it was last swept: what the budget is a share of. */
export const regionContents = pgTable(
  'region_contents',
  {
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    kind: id('kind').notNull(),
    contexts: integer('contexts').notNull(),
    countedAt: timestamp('counted_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ columns: [t.region, t.kind] })],
);

export const freezeModes = ['loosening', 'all'] as const;
/** What a freeze stops: everything but tombstones and denials, or everything. */
export type FreezeMode = (typeof freezeModes)[number];

/** Regions to which nothing is published until a person says so; the row without a region stands for all of them. */
export const freezes = pgTable(
  'freezes',
  {
    region: id('region').references(() => regions.id, { onDelete: 'cascade' }),
    mode: text('mode', { enum: freezeModes }).notNull(),
    reason: text('reason'),
    actorId: id('actor_id').notNull(),
    actorName: text('actor_name').notNull(),
    since: timestamp('since', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    unique('freezes_region').on(t.region).nullsNotDistinct(),
    check('freezes_mode', sql`${t.mode} in ('loosening', 'all')`),
  ],
);
