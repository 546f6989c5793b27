import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';

/** What was done, in the transaction in which it was done. */
export const auditLog = pgTable(
  'audit_log',
  {
    id: id('id').primaryKey(),
    at: timestamp('at', { withTimezone: true }).notNull().defaultNow(),
    /** The application key that did it. No foreign key: the log outlives what it tells of. */
    actorId: id('actor_id').notNull(),
    actorName: text('actor_name').notNull(),
    action: text('action').notNull(),
    resourceType: text('resource_type').notNull(),
    resourceId: id('resource_id').notNull(),
    /** Whose log this entry is in; null for the platform's own. */
    tenantId: id('tenant_id'),
    before: jsonb('before').$type<Record<string, unknown>>(),
    after: jsonb('after').$type<Record<string, unknown>>(),
    requestId: text('request_id').notNull(),
  },
  (t) => [
    index('audit_log_tenant').on(t.tenantId, t.id),
    index('audit_log_action').on(t.action, t.id),
    index('audit_log_actor').on(t.actorId, t.id),
    index('audit_log_resource').on(t.resourceType, t.resourceId, t.id),
  ],
);
