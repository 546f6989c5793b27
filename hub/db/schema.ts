import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  cidr,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { foldedName, id, ids, xid8 } from './columns.ts';
import type { SweepCounts } from './sweep-counts.ts';

export type { SweepCounts };

/**
 * The hub's tables. The triggers that make "nothing forgets" true (law 1) live beside them as SQL in
 * migrations/0001_capture.sql; docs/architecture.md tells how the two work together. What guards regions against mass
 * death is in guard-schema.ts.
 */
const createdAt = timestamp('created_at', { withTimezone: true }).notNull().defaultNow();
const updatedAt = timestamp('updated_at', { withTimezone: true })
  .notNull()
  .defaultNow()
  .$onUpdate(() => sql`now()`);

/** Most things are active: an index of those that are not is small, and finds them among a million. */
const notActive = sql`status <> 'active'`;

/** One row: who this hub is, and its epoch (grows when the hub was restored from a backup). */
export const hubState = pgTable(
  'hub_state',
  {
    id: smallint('id').primaryKey().default(1),
    hubId: uuid('hub_id').notNull().defaultRandom(),
    epoch: integer('epoch').notNull().default(1),
    /**
     * Counts the runs of this database: one ends when Postgres stops, is restored or hands over to a standby, and the
     * next begins. Only across its end can committed revisions be lost (docs/adr/0013-restore.md).
     */
    run: integer('run').notNull().default(0),
    /** What the current run is known by: server start, database, table. */
    runMark: text('run_mark').notNull().default(''),
    /** No revision from here on was committed before the current run. */
    runFirst: bigint('run_first', { mode: 'number' }).notNull().default(1),
    /** The highest revision drawn for a tombstone of something without a head. */
    buried: bigint('buried', { mode: 'number' }).notNull().default(0),
  },
  (t) => [check('hub_state_one_row', sql`${t.id} = 1`)],
);

export const regions = pgTable(
  'regions',
  {
    id: id('id').primaryKey(),
    storeEndpoint: text('store_endpoint'),
    storeAwsRegion: text('store_aws_region'),
    storeTable: text('store_table').notNull(),
    /** `seeding`: new, and not verified to hold everything yet; it becomes `active` by itself. */
    status: text('status', { enum: ['seeding', 'active', 'draining', 'disabled'] })
      .notNull()
      .default('active'),
    createdAt,
    updatedAt,
  },
  (t) => [check('regions_status', sql`${t.status} in ('seeding', 'active', 'draining', 'disabled')`)],
);

/**
 * Regions that were compared with the hub in this run, and were not ahead of it. It outlives the region's row: one that
 * is removed and added again has a table that remembers what it was published in this run.
 */
export const regionRuns = pgTable('region_runs', {
  region: id('region').primaryKey(),
  run: integer('run').notNull(),
});

export const seedingCauses = ['added', 'lost', 'requested'] as const;
export const seedingPhases = ['waiting', 'filling', 'checking', 'finished'] as const;
/** Where filling a new table has got to; valid for that very table only. */
export interface SeedingCursor {
  incarnation: string;
  kind: string;
  after: string;
}

/** The filling of a region's table until it is verified to hold everything; one at a time a region. */
export const seedings = pgTable(
  'seedings',
  {
    id: id('id').primaryKey(),
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    cause: text('cause', { enum: seedingCauses }).notNull(),
    phase: text('phase', { enum: seedingPhases }).notNull().default('waiting'),
    /** The incarnation of a table the publisher has just made: it is filled without comparing. */
    fresh: text('fresh'),
    cursor: jsonb('cursor').$type<SeedingCursor>(),
    /** Contexts the region is to hold, counted when filling began. */
    total: integer('total'),
    filled: integer('filled').notNull().default(0),
    /** Of the sweep at work now. */
    checked: integer('checked').notNull().default(0),
    sweeps: integer('sweeps').notNull().default(0),
    /** Why the last attempt failed; it is tried again. */
    error: text('error'),
    requestedAt: timestamp('requested_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    startedAt: timestamp('started_at', { withTimezone: true }),
    progressedAt: timestamp('progressed_at', { withTimezone: true }),
    finishedAt: timestamp('finished_at', { withTimezone: true }),
  },
  (t) => [
    uniqueIndex('seedings_unfinished').on(t.region).where(sql`${t.finishedAt} is null`),
    index('seedings_region').on(t.region, t.id),
    check('seedings_cause', sql`${t.cause} in ('added', 'lost', 'requested')`),
    check('seedings_phase', sql`${t.phase} in ('waiting', 'filling', 'checking', 'finished')`),
  ],
);

export const tenants = pgTable(
  'tenants',
  {
    id: id('id').primaryKey(),
    name: text('name').notNull().unique(),
    status: text('status', { enum: ['active', 'suspended'] })
      .notNull()
      .default('active'),
    /** How many of each the tenant may have; null for any number. Kept by triggers, whoever writes. */
    clustersMax: integer('clusters_max'),
    agentKeysMax: integer('agent_keys_max'),
    regionsMax: integer('regions_max'),
    /** Where its clusters may be placed; null for anywhere. Kept by triggers, and by what the publisher derives. */
    allowedRegions: ids('allowed_regions'),
    createdAt,
    updatedAt,
  },
  (t) => [
    index('tenants_by_name').on(foldedName(t.name), t.id),
    index('tenants_suspended').on(t.id).where(notActive),
    index('tenants_residency').on(t.id).where(sql`allowed_regions is not null`),
    check('tenants_status', sql`${t.status} in ('active', 'suspended')`),
    check('tenants_quotas', sql`${t.clustersMax} >= 0 and ${t.agentKeysMax} >= 0 and ${t.regionsMax} >= 0`),
  ],
);

/** One of several upstreams: the lowest priority that is usable takes the requests, shared by weight. */
export type UpstreamChoice = { url: string; priority: number; weight: number };

export const clusters = pgTable(
  'clusters',
  {
    id: id('id').primaryKey(),
    tenantId: id('tenant_id')
      .notNull()
      .references(() => tenants.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    status: text('status', { enum: ['active', 'disabled'] })
      .notNull()
      .default('active'),
    upstreamUrl: text('upstream_url').notNull(),
    /** Where to instead of `upstream_url`, if to more than one place. */
    upstreams: jsonb('upstreams').$type<UpstreamChoice[]>(),
    settings: jsonb('settings').$type<Record<string, unknown>>().notNull().default({}),
    createdAt,
    updatedAt,
  },
  (t) => [
    unique('clusters_tenant_name').on(t.tenantId, t.name),
    index('clusters_tenant').on(t.tenantId, t.id),
    index('clusters_by_name').on(foldedName(t.name), t.id),
    index('clusters_tenant_by_name').on(t.tenantId, foldedName(t.name), t.id),
    index('clusters_disabled').on(t.id).where(notActive),
    index('clusters_tenant_disabled').on(t.tenantId, t.id).where(notActive),
    check('clusters_status', sql`${t.status} in ('active', 'disabled')`),
  ],
);

/** What a placement may replace of the cluster's global values in its region. */
export interface PlacementOverrides {
  upstreamUrl?: string;
  upstreams?: UpstreamChoice[];
  settings?: Record<string, unknown>;
}

export const placements = pgTable(
  'placements',
  {
    clusterId: id('cluster_id')
      .notNull()
      .references(() => clusters.id, { onDelete: 'cascade' }),
    region: id('region')
      .notNull()
      .references(() => regions.id),
    overrides: jsonb('overrides').$type<PlacementOverrides>().notNull().default({}),
    createdAt,
  },
  (t) => [
    primaryKey({ columns: [t.clusterId, t.region] }),
    index('placements_region').on(t.region, t.clusterId),
  ],
);

/** A secret before the present one: it works until its end. */
export type RetiringSecret = { verifier: string; endsAtMs: number };

export const agentKeys = pgTable(
  'agent_keys',
  {
    id: id('id').primaryKey(),
    clusterId: id('cluster_id')
      .notNull()
      .references(() => clusters.id, { onDelete: 'cascade' }),
    /** The cluster's, which never changes: what a tenant's keys are listed by. A trigger sets it, whoever writes. */
    tenantId: id('tenant_id').notNull(),
    name: text('name').notNull(),
    /** Of the present secret; of none where that is in `restricted_verifier`. */
    verifier: text('verifier').notNull(),
    /**
     * Of the present secret, where the key is bound to networks. Publishers and gateways that do not know of those
     * find a verifier that nothing matches, and let nobody in where they would let in anybody.
     */
    restrictedVerifier: text('restricted_verifier'),
    /** Those before it that may still work, the latest first. */
    retiring: jsonb('retiring').$type<RetiringSecret[]>().notNull().default([]),
    status: text('status', { enum: ['active', 'disabled'] })
      .notNull()
      .default('active'),
    expiresAt: timestamp('expires_at', { withTimezone: true }),
    /** Where the key may be used from; null for anywhere. */
    allowedNetworks: cidr('allowed_networks').array(),
    /** Requests that a gateway grants in a window; null for any number. */
    rateLimit: integer('rate_limit'),
    rateWindowMs: integer('rate_window_ms'),
    permissions: text('permissions').array().notNull().default([]),
    createdAt,
    updatedAt,
  },
  (t) => [
    // With what says whether they work, so that those of a cluster are counted without reading them (hub/db/lost-keys.ts).
    index('agent_keys_cluster_live').on(t.clusterId, t.id, t.status, t.expiresAt),
    index('agent_keys_cluster_name').on(t.clusterId, t.name),
    index('agent_keys_tenant').on(t.tenantId, t.id),
    index('agent_keys_by_name').on(foldedName(t.name), t.id),
    index('agent_keys_tenant_by_name').on(t.tenantId, foldedName(t.name), t.id),
    index('agent_keys_disabled').on(t.id).where(notActive),
    index('agent_keys_tenant_disabled').on(t.tenantId, t.id).where(notActive),
    check('agent_keys_status', sql`${t.status} in ('active', 'disabled')`),
    check(
      'agent_keys_restricted',
      sql`case when ${t.allowedNetworks} is null then ${t.restrictedVerifier} is null
        else ${t.restrictedVerifier} is not null and ${t.verifier} = repeat('-', 43) end`,
    ),
    check(
      'agent_keys_rate',
      sql`coalesce(${t.rateLimit} > 0 and ${t.rateWindowMs} > 0, ${t.rateLimit} is null and ${t.rateWindowMs} is null)`,
    ),
  ],
);

/** The ledger of contexts. Written by triggers and by `touch_heads`, never by application code directly. */
export const heads = pgTable(
  'heads',
  {
    kind: id('kind').notNull(),
    key: id('key').notNull(),
    revision: bigint('revision', { mode: 'number' }).notNull(),
    deleted: boolean('deleted').notNull(),
    /** The row's last change was the API's (or `spokecast.intended` was on): exempt from the budget of losses. */
    intended: boolean('intended').notNull().default(false),
    changedAt: timestamp('changed_at', { withTimezone: true }).notNull().defaultNow(),
    /** The transaction that drew this revision: how a sweep knows what changed since the last one. */
    changedXid: xid8('changed_xid').notNull().default(sql`pg_current_xact_id()`),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] }), index('heads_changed').on(t.changedXid)],
);

/**
 * Which regions hold a cluster's contexts, or held them: it outlives placement, cluster and tenant, so that a
 * deletion still knows where to go. `until` is when the placement ended; rows are kept a day beyond that.
 */
export const holdings = pgTable(
  'holdings',
  {
    clusterId: id('cluster_id').notNull(),
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    tenantId: id('tenant_id').notNull(),
    until: timestamp('until', { withTimezone: true }),
    /** The contexts that follow the placement (keys, tenant) were bumped for it; until then none may rely on it. */
    settled: boolean('settled').notNull().default(false),
    /** The placement was ended on purpose: what leaves the region with it is exempt from the budget of losses. */
    intended: boolean('intended').notNull().default(false),
  },
  (t) => [
    primaryKey({ columns: [t.clusterId, t.region] }),
    index('holdings_tenant').on(t.tenantId, t.region, t.clusterId),
    index('holdings_ended').on(t.until).where(sql`until is not null`),
    index('holdings_tenant_ended').on(t.tenantId, t.region).where(sql`until is not null`),
    index('holdings_region').on(t.region),
  ],
);

/** A row a region that does nothing but change: what its way to the gateways takes is what every change takes. */
export const heartbeats = pgTable('heartbeats', {
  region: id('region')
    .primaryKey()
    .references(() => regions.id, { onDelete: 'cascade' }),
  /** Just before the commit. */
  beatAt: timestamp('beat_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
});

/** "This context changed", written in the transaction of the change, removed once jobs for it exist. */
export const outbox = pgTable(
  'outbox',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    kind: id('kind').notNull(),
    key: id('key').notNull(),
    /** Regions that hold or held the context when it changed; the relay adds those that hold it by then. */
    regions: text('regions').array().notNull(),
    /** `placement`: contexts that depend on this one's placement must be bumped too. */
    cause: text('cause', { enum: ['row', 'placement', 'dependent', 'request', 'repair'] }).notNull(),
    tightens: boolean('tightens').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    /** A relay's lease: until then no other relay takes the row. */
    claimedBy: text('claimed_by'),
    claimedUntil: timestamp('claimed_until', { withTimezone: true }),
    /** The fences that stand for this change: what the transaction that wrote the row had set (hub/db/fences.ts). */
    fences: text('fences')
      .array()
      .default(sql`string_to_array(nullif(current_setting('spokecast.fences', true), ''), ',')`),
  },
  // In the very order of the claim (nulls too, though there are none), or it would not serve it. A relay passes over none of what is the other's, however much of that waits.
  (t) => [
    index('outbox_placements').on(t.tightens.desc().nullsFirst(), t.id).where(sql`cause = 'placement'`),
    index('outbox_all_else').on(t.tightens.desc().nullsFirst(), t.id).where(sql`cause <> 'placement'`),
  ],
);

export const sweeps = pgTable(
  'sweeps',
  {
    id: id('id').primaryKey(),
    region: id('region')
      .notNull()
      .references(() => regions.id, { onDelete: 'cascade' }),
    cause: text('cause', { enum: ['scheduled', 'requested', 'recovery', 'seeding'] }).notNull(),
    status: text('status', { enum: ['requested', 'queued', 'running', 'completed', 'failed'] }).notNull(),
    counts: jsonb('counts').$type<SweepCounts>(),
    /** Everything from transactions below this is announced, but for `tail`. Set on completion. */
    mark: xid8('mark'),
    /** Announced by this sweep though not below `mark`: the next need not repeat them. */
    tail: jsonb('tail').$type<{ kind: string; key: string; revision: number }[]>(),
    /** What was held in the region when the sweep ended, as one hash: what an approval approves. Null for nothing. */
    plan: text('plan'),
    /** Where the region's feed stood when it was complete: whoever has applied that has seen all it proves. */
    feedIncarnation: text('feed_incarnation'),
    feedNumber: bigint('feed_number', { mode: 'number' }),
    /** Contexts it could not bring to what the hub derives; null where there were too many to name. */
    heldBack: text('held_back').array(),
    error: text('error'),
    requestedAt: timestamp('requested_at', { withTimezone: true }).notNull().defaultNow(),
    startedAt: timestamp('started_at', { withTimezone: true }),
    /** When a running sweep last said it is alive: one that stopped saying so was abandoned. */
    progressedAt: timestamp('progressed_at', { withTimezone: true }),
    finishedAt: timestamp('finished_at', { withTimezone: true }),
  },
  (t) => [
    index('sweeps_region').on(t.region, t.id),
    index('sweeps_finished').on(t.region, t.finishedAt),
    index('sweeps_status').on(t.status),
    index('sweeps_requested').on(t.requestedAt),
  ],
);

/** One sequence for all contexts: a head purged and created again still draws a higher number. */
export const revisions = pgSequence('revisions');
