import { index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { id } from './columns.ts';

/** Answers kept so that a repeated POST with the same `Idempotency-Key` does nothing twice. Never a secret. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    applicationKeyId: id('application_key_id').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    status: integer('status').notNull(),
    body: jsonb('body').$type<Record<string, unknown>>().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.applicationKeyId, t.key] }),
    index('idempotency_keys_created').on(t.createdAt),
  ],
);
