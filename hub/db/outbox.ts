import { sql } from 'drizzle-orm';
import { type ContextRef, type KindName, kindNames, refText } from '../../contexts/kinds/index.ts';
import { textArray } from './builders/builder.ts';
import { holdersOf } from './builders/index.ts';
import type { Queryable } from './client.ts';
import { awaitsChannel, fencesChannel } from './fences.ts';
import { beginRun } from './runs.ts';
import { heads, outbox } from './schema.ts';
import { unsynced } from './unsynced.ts';

/** Tells relays that there is something in the outbox. A hint: it stands in the table. */
export const outboxChannel = 'spokecast_outbox';

/** One row of the outbox: this context changed. */
export interface Change extends ContextRef {
  id: number;
  regions: readonly string[];
  cause: 'row' | 'placement' | 'dependent' | 'request' | 'repair';
  tightens: boolean;
  createdAtMs: number;
  /** The fences that stand for it; none for most of what is changed by SQL. */
  fences: readonly string[];
}

/** A refresh job was made for changes of a fence: the fence has not arrived before the job has its receipt. */
export interface FencedJob {
  fence: string;
  region: string;
  receipt: string;
}

/**
 * Placements are relayed by a loop of their own: cascading one may take long, or wait for a lock, and no other
 * change is to wait for that.
 */
export type Takes = 'placements' | 'all-else';

/** How much waits to be relayed, and for how long its oldest row has. */
export interface OutboxBacklog {
  rows: number;
  oldestMs: number;
}

/**
 * Leases up to `limit` rows, what tightens access first. The lease is committed when this returns, so a relay that
 * freezes with rows in hand hides them for `leaseMs` and no longer. Never by `id > last`: a row may commit late
 * under a lower id.
 *
 * Nobody waits for the lease to be on disk: a crash of Postgres that loses it gives the rows back, to be relayed once
 * more.
 */
export async function claimChanges(
  db: Queryable,
  claim: { claimant: string; leaseMs: number; limit: number; takes: Takes },
): Promise<Change[]> {
  const rows = await db.execute<{
    id: string;
    kind: KindName;
    key: string;
    regions: string[];
    cause: Change['cause'];
    tightens: boolean;
    created_at_ms: string;
    fences: string[] | null;
    unsynced: string;
  }>(sql`
    with free as materialized (
      select id from ${outbox}
      where ${claim.takes === 'placements' ? sql`cause = 'placement'` : sql`cause <> 'placement'`}
        and kind = any(${textArray(kindNames)}) -- the rest is for a newer build's relay
        and (claimed_until is null or claimed_until < clock_timestamp())
      order by tightens desc, id limit ${claim.limit} for update skip locked
    )
    update ${outbox} o
    set claimed_by = ${claim.claimant}, claimed_until = clock_timestamp() + ${claim.leaseMs} * interval '1 millisecond'
    where o.id = any(array(select id from free))
    returning o.id, o.kind, o.key, o.regions, o.cause, o.tightens, o.fences,
      floor(extract(epoch from o.created_at) * 1000) as created_at_ms,
      (select ${unsynced}) as unsynced`);
  return rows
    .map(({ created_at_ms, unsynced: _, ...row }) => ({
      ...row,
      id: Number(row.id),
      createdAtMs: Number(created_at_ms),
      fences: row.fences ?? [],
    }))
    .sort((a, b) => Number(b.tightens) - Number(a.tightens) || a.id - b.id);
}

/**
 * Removes rows whose jobs exist now. Rows whose lease another relay has taken over since are left to it. Where
 * some of them have fences, `fenced` are the jobs made for those: in the same statement the rows are counted as
 * relayed and the jobs noted, so that no fence is ever taken for relayed without the jobs it waits for. Whoever waits
 * for one is told: its jobs may be done already.
 *
 * As with a claim nobody waits for the disk: a crash of Postgres that loses it gives the rows back.
 */
export async function completeChanges(
  db: Queryable,
  claimant: string,
  ids: readonly number[],
  fenced?: readonly FencedJob[],
): Promise<void> {
  const gone = sql`delete from ${outbox} where id = any(${idArray(ids)}) and claimed_by = ${claimant}`;
  if (fenced === undefined) {
    await db.execute(sql`with gone as (${gone}) select ${unsynced}`);
    return;
  }
  const column = (name: keyof FencedJob) => textArray(fenced.map((job) => job[name]));
  await db.execute(sql`
    with gone as (${gone} returning fences),
    relayed as materialized (
      select fence, count(*)::integer as rows from gone cross join unnest(gone.fences) as fence group by fence),
    locked as materialized (
      select id, awaited_until from fences where id in (select fence from relayed) order by id for no key update),
    counted as (
      update fences f set rows_relayed = f.rows_relayed + relayed.rows, relayed_at = clock_timestamp()
      from locked join relayed on relayed.fence = locked.id where f.id = locked.id),
    made as materialized (
      select j.fence, j.region, j.receipt
      from unnest(${column('fence')}, ${column('region')}, ${column('receipt')}) as j (fence, region, receipt)
      join locked on locked.id = j.fence),
    concerned as (
      insert into fence_regions (fence, region) select distinct fence, region from made order by 1, 2
      on conflict do nothing),
    registered as (
      insert into fence_jobs (fence, region, receipt) select fence, region, receipt from made on conflict do nothing)
    select ${unsynced}, (
      select count(pg_notify(channel, '')) from unnest(${textArray([awaitsChannel, fencesChannel])}) as channel
      where exists (select from locked where awaited_until > now()))`);
}

/** Holds on to rows for another `leaseMs`: what takes longer than a lease would be done again, side by side. */
export async function renewChanges(
  db: Queryable,
  claim: { claimant: string; leaseMs: number },
  ids: readonly number[],
): Promise<void> {
  await db.execute(sql`
    update ${outbox} set claimed_until = clock_timestamp() + ${claim.leaseMs} * interval '1 millisecond'
    where id = any(${idArray(ids)}) and claimed_by = ${claim.claimant}`);
}

/** Gives rows back before their lease is over: their jobs could not be made. */
export async function releaseChanges(db: Queryable, claimant: string, ids: readonly number[]): Promise<void> {
  await db.execute(sql`
    update ${outbox} set claimed_by = null, claimed_until = null
    where id = any(${idArray(ids)}) and claimed_by = ${claimant}`);
}

export async function outboxBacklog(db: Queryable): Promise<OutboxBacklog> {
  const [row] = await db.execute<{ rows: string; oldest_ms: string }>(sql`
    select count(*) as rows,
      coalesce(extract(epoch from clock_timestamp() - min(created_at)) * 1000, 0) as oldest_ms
    from (select created_at from ${outbox} limit 100000) waiting`);
  return { rows: Number(row?.rows ?? 0), oldestMs: Number(row?.oldest_ms ?? 0) };
}

/**
 * Asks for contexts to be published again to every region that holds them, as they are: no new revision.
 * Returns how many of them the hub knows.
 */
export async function requestRefresh(db: Queryable, refs: readonly ContextRef[]): Promise<number> {
  const kinds = textArray(refs.map((ref) => ref.kind));
  const keys = textArray(refs.map((ref) => ref.key));
  const holders = await holdersOf(db, refs);
  const regions = textArray(refs.map((ref) => `{${(holders.get(refText(ref)) ?? []).join(',')}}`));
  const rows = await db.execute(sql`
    insert into ${outbox} (kind, key, regions, cause, tightens)
    select h.kind, h.key, wanted.regions::text[], 'request', false
    from unnest(${kinds}, ${keys}, ${regions}) as wanted (kind, key, regions) join ${heads} h using (kind, key)
    returning 1`);
  return rows.length;
}

/**
 * Draws a fresh revision for each context that has a head, so that what is published next outranks whatever a
 * region holds (a repair), and has every region told. Contexts without a head are left alone.
 */
export async function drawRevisions(db: Queryable, refs: readonly ContextRef[]): Promise<void> {
  for (const kind of [...new Set(refs.map((ref) => ref.kind))].sort()) {
    const keys = textArray(refs.filter((ref) => ref.kind === kind).map((ref) => ref.key));
    await db.execute(sql`select draw_revisions(${kind}, ${keys})`);
  }
}

/**
 * A revision of its own for something the hub has no head of, so that its tombstone outranks it. Noted in `hub_state`,
 * as no head remembers it: or the next run would not know that it was drawn.
 */
export async function freshRevision(db: Queryable): Promise<{ epoch: number; revision: number }> {
  await beginRun(db);
  const [row] = await db.execute<{ epoch: number; revision: string }>(
    sql`update hub_state set buried = nextval('revisions') returning epoch, buried::text as revision`,
  );
  return { epoch: row!.epoch, revision: Number(row!.revision) };
}

/**
 * Has all revisions from now on outrank `revision`, which somebody wrote into a store by hand: gateways that have read
 * it believe nothing lower. Not for those near the end of the range, which would use it up.
 */
export async function outrankRevision(db: Queryable, revision: number): Promise<'outranked' | 'too-high'> {
  if (revision > outrankedMax) return 'too-high';
  await db.execute(sql`select setval('revisions', greatest(last_value, ${revision}::bigint)) from revisions`);
  return 'outranked';
}

/** Half of what there is: a second accident of that size still leaves a quarter. */
const outrankedMax = 2 ** 52;

function idArray(ids: readonly number[]) {
  return sql`${sql.param(`{${ids.join(',')}}`)}::bigint[]`;
}
