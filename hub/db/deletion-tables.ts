import { bigint, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';

/** What was deleted through the API and can be brought back: one row a tenant or cluster, until `purge_at`. */
export const deletions = pgTable(
  'deletions',
  {
    id: id('id').primaryKey(),
    resourceType: text('resource_type', { enum: ['tenant', 'cluster'] }).notNull(),
    resourceId: id('resource_id').notNull(),
    name: text('name').notNull(),
    /** No foreign key: of a tenant that was deleted, it is the tenant's own id. */
    tenantId: id('tenant_id').notNull(),
    clusters: integer('clusters').notNull(),
    agentKeys: integer('agent_keys').notNull(),
    deletedAt: timestamp('deleted_at', { withTimezone: true }).notNull().defaultNow(),
    purgeAt: timestamp('purge_at', { withTimezone: true }).notNull(),
  },
  (t) => [
    index('deletions_resource').on(t.resourceId, t.id),
    index('deletions_tenant').on(t.tenantId, t.id),
    index('deletions_purge').on(t.purgeAt),
  ],
);

/** The rows that went with it, as they were. */
export const deletedRows = pgTable(
  'deleted_rows',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    deletion: id('deletion')
      .notNull()
      .references(() => deletions.id, { onDelete: 'cascade' }),
    table: text('table').notNull(),
    row: jsonb('row').notNull(),
  },
  (t) => [index('deleted_rows_deletion').on(t.deletion, t.table)],
);
