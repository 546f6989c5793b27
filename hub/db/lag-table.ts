import { sql } from 'drizzle-orm';
import { check, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';
import { regions } from './schema.ts';

/** How long changes took to a region, a row a minute, for a day: what the console draws. */
export const regionLags = pgTable(
  'region_lags',
  {
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    minute: timestamp('minute', { withTimezone: true }).notNull(),
    /** The longest from commit to announcement that a publisher saw in that minute; null where none arrived. */
    lagMs: integer('lag_ms'),
    /** How the region was when the minute was last written: as in `region_reports`. */
    state: text('state').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.region, t.minute] }),
    index('region_lags_minute').on(t.minute),
    check('region_lags_positive', sql`${t.lagMs} >= 0`),
  ],
);
