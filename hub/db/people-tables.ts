import { sql } from 'drizzle-orm';
import {
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { id } from './columns.ts';
import { tenants } from './schema.ts';

/** People, what they may do where, and how a browser or a link stands for them. Nothing of it leaves the hub. */
const createdAt = timestamp('created_at', { withTimezone: true }).notNull().defaultNow();
const moment = (name: string) => timestamp(name, { withTimezone: true });

export const users = pgTable(
  'users',
  {
    id: id('id').primaryKey(),
    /** In lower case; unique however somebody writes it. */
    email: text('email').notNull(),
    name: text('name').notNull(),
    /** Argon2id with its parameters; null where the person has chosen none. */
    passwordHash: text('password_hash'),
    /** `invited`: has not signed in yet, and cannot but by a link. */
    status: text('status', { enum: ['invited', 'active', 'disabled'] }).notNull(),
    lastSignedInAt: moment('last_signed_in_at'),
    createdAt,
    updatedAt: moment('updated_at')
      .notNull()
      .defaultNow()
      .$onUpdate(() => sql`now()`),
  },
  (t) => [
    uniqueIndex('users_email').on(sql`lower(${t.email})`),
    check('users_status', sql`${t.status} in ('invited', 'active', 'disabled')`),
  ],
);

/** What a person may do in one tenant, or (null) on the platform. */
export const memberships = pgTable(
  'memberships',
  {
    userId: id('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    tenantId: id('tenant_id').references(() => tenants.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['owner', 'admin', 'viewer'] }).notNull(),
    /** When the person redeemed the invitation to it. Until then it gives no rights (docs/adr/0032-people.md). */
    acceptedAt: moment('accepted_at'),
    createdAt,
  },
  (t) => [
    unique('memberships_user_tenant').on(t.userId, t.tenantId).nullsNotDistinct(),
    index('memberships_tenant').on(t.tenantId, t.userId),
    check('memberships_role', sql`${t.role} in ('owner', 'admin', 'viewer')`),
  ],
);

/** Who a person is to an OpenID provider: what an account is found by, unlike an address. */
export const identities = pgTable(
  'identities',
  {
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    userId: id('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAt: moment('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.issuer, t.subject] }), index('identities_user').on(t.userId)],
);

/** Browsers that are signed in. The token is theirs alone; here is its hash. */
export const sessions = pgTable(
  'sessions',
  {
    id: id('id').primaryKey(),
    tokenHash: text('token_hash').notNull().unique('sessions_token'),
    userId: id('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** The scope chosen: a tenant's id, or `platform`. Without it, or where it is gone, the first there is. */
    scope: id('scope'),
    createdAt: moment('created_at').notNull(),
    lastSeenAt: moment('last_seen_at').notNull(),
    /** Whichever comes first ends it; `idle_until` moves on with use. */
    idleUntil: moment('idle_until').notNull(),
    expiresAt: moment('expires_at').notNull(),
    source: text('source').notNull(),
    userAgent: text('user_agent').notNull(),
  },
  (t) => [
    index('sessions_user').on(t.userId, t.id),
    index('sessions_idle').on(t.idleUntil),
    index('sessions_expires').on(t.expiresAt),
  ],
);

export const linkPurposes = ['set-up', 'invitation', 'password-reset', 'command-line'] as const;

/** Links that work once: whoever opens one is who it was handed to. */
export const oneTimeLinks = pgTable(
  'one_time_links',
  {
    id: id('id').primaryKey(),
    tokenHash: text('token_hash').notNull().unique('one_time_links_token'),
    purpose: text('purpose', { enum: linkPurposes }).notNull(),
    /** Null for `set-up`: who that will be is not known yet. */
    userId: id('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** The memberships that an invitation is to, the scope of a command line: tenants' ids, null for the platform. */
    scopes: jsonb('scopes').$type<(string | null)[]>().notNull().default([]),
    /** Of `command-line`: the hash of what only the command that began it knows. */
    challenge: text('challenge'),
    createdBy: id('created_by').notNull(),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    usedAt: moment('used_at'),
  },
  (t) => [
    index('one_time_links_user').on(t.userId),
    index('one_time_links_expires').on(t.expiresAt),
    check(
      'one_time_links_purpose',
      sql`${t.purpose} in ('set-up', 'invitation', 'password-reset', 'command-line')`,
    ),
  ],
);

/**
 * Guesses at passwords that failed, in a window of time, of each address and of each account; and where an account's
 * password has worked, which is counted by itself. Rows are known by a hash: what people type where an address is asked
 * for is sometimes their password.
 */
export const guesses = pgTable(
  'guesses',
  {
    name: id('name').primaryKey(),
    failures: integer('failures').notNull(),
    windowEndsAt: moment('window_ends_at').notNull(),
    /** Of a place where it has worked: until when that counts. */
    knownUntil: moment('known_until'),
  },
  (t) => [
    index('guesses_unknown').on(t.windowEndsAt).where(sql`${t.knownUntil} is null`),
    index('guesses_known').on(t.knownUntil).where(sql`${t.knownUntil} is not null`),
  ],
);
