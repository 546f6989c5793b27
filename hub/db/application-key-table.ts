import { sql } from 'drizzle-orm';
import { check, index, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';
import { users } from './people-tables.ts';
import { tenants } from './schema.ts';

/** The credentials of programs and people that use the hub's API. They never leave the hub. */
export const applicationKeys = pgTable(
  'application_keys',
  {
    id: id('id').primaryKey(),
    /** Null: a key of the platform. */
    tenantId: id('tenant_id').references(() => tenants.id, { onDelete: 'cascade' }),
    /** Whose it is: it can do no more than they can, and ends with them. Null for a key of the tenant or platform itself. */
    userId: id('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** The actor that made it; null where nobody wrote that down yet. */
    createdBy: id('created_by'),
    role: text('role', { enum: ['owner', 'admin', 'viewer'] }).notNull(),
    name: text('name').notNull(),
    verifier: text('verifier').notNull(),
    status: text('status', { enum: ['active', 'disabled'] })
      .notNull()
      .default('active'),
    expiresAt: timestamp('expires_at', { withTimezone: true }),
    lastUsedAt: timestamp('last_used_at', { withTimezone: true }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    updatedAt: timestamp('updated_at', { withTimezone: true })
      .notNull()
      .defaultNow()
      .$onUpdate(() => sql`now()`),
  },
  (t) => [
    index('application_keys_user').on(t.userId, t.id),
    index('application_keys_tenant').on(t.tenantId, t.id),
    index('application_keys_role').on(t.role, t.id),
    index('application_keys_disabled').on(t.id).where(sql`status <> 'active'`),
    check('application_keys_role', sql`${t.role} in ('owner', 'admin', 'viewer')`),
    check('application_keys_status', sql`${t.status} in ('active', 'disabled')`),
  ],
);
