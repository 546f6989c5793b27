import { index, pgTable, primaryKey, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';
import { regions } from './schema.ts';

/**
 * When an agent key was last let in, region by region, as its gateways said. Rows outlive a deletion of the key, because it
 * may be taken back; who knows no key of that name asks for none of them.
 */
export const agentKeyUses = pgTable(
  'agent_key_uses',
  {
    key: id('key').notNull(),
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    /** No earlier than the use: the end of the minutes in which it was. No index, so that writing it again is cheap. */
    lastUsedAt: timestamp('last_used_at', { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.key, t.region] }), index('agent_key_uses_region').on(t.region)],
);

/** Since when every live gateway of a region says which keys it lets in; no row where one does not. */
export const keyUseRegions = pgTable('key_use_regions', {
  region: id('region')
    .primaryKey()
    .references(() => regions.id, { onDelete: 'cascade' }),
  since: timestamp('since', { withTimezone: true }).notNull(),
  /** When a publisher had last read all that they had said. */
  readAt: timestamp('read_at', { withTimezone: true }).notNull(),
});
