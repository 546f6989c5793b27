import { sql } from 'drizzle-orm';
import { type KindName, kindNames, refText } from '../../contexts/kinds/index.ts';
import type { FeedHead } from '../../contexts/store.ts';
import { textArray } from './builders/builder.ts';
import { holdersOf } from './builders/index.ts';
import type { Queryable } from './client.ts';
import { heads, regions, type SweepCounts, sweeps } from './schema.ts';

/** Up to where everything is announced in a region: transactions below `mark`, and `tail` beyond it. */
export interface SweepMark {
  mark: string | null;
  tail: readonly ChangedHead[];
}

export interface ChangedHead {
  kind: KindName;
  key: string;
  revision: number;
}

/** The counts of a sweep that has found nothing yet. */
export function noCounts(): SweepCounts {
  return {
    ...{ scanned: 0, written: 0, reannounced: 0, expired: 0, quarantined: 0, held: 0, frozen: 0 },
    ...{ missing: 0, stale: 0, corrupt: 0, orphan: 0, ahead: 0, heldAhead: 0 },
  };
}

export type SweepCause = 'scheduled' | 'requested' | 'recovery' | 'seeding';

/** Sweeps that were asked for through the API, each handed out once a minute until somebody runs it. */
export async function takeRequestedSweeps(db: Queryable): Promise<{ id: string; region: string }[]> {
  const rows = await db.execute<{ id: string; region: string }>(sql`
    update ${sweeps} s set status = 'queued', progressed_at = clock_timestamp()
    from (
      select id from ${sweeps}
      where status = 'requested' or (status = 'queued' and progressed_at < clock_timestamp() - interval '1 minute')
      order by id limit 100 for update skip locked
    ) waiting
    where s.id = waiting.id
    returning s.id, s.region`);
  return [...rows];
}

/** Marks sweeps as failed that have said nothing for two minutes: whoever ran them is gone. */
export async function failAbandonedSweeps(db: Queryable): Promise<number> {
  const rows = await db.execute(sql`
    update ${sweeps} set status = 'failed', finished_at = clock_timestamp(),
      error = 'abandoned: the publisher that ran it stopped; the next sweep starts over'
    where status = 'running' and progressed_at < clock_timestamp() - interval '2 minutes' returning 1`);
  return rows.length;
}

/** Begins a sweep: the row that asked for it, or a new one. */
export async function beginSweep(
  db: Queryable,
  sweep: { id: string; region: string; cause: SweepCause },
): Promise<void> {
  await db.execute(sql`
    insert into ${sweeps} (id, region, cause, status, started_at, progressed_at)
    values (${sweep.id}, ${sweep.region}, ${sweep.cause}, 'running', clock_timestamp(), clock_timestamp())
    on conflict (id) do update set status = 'running', error = null, finished_at = null,
      started_at = clock_timestamp(), progressed_at = clock_timestamp()`);
}

export async function reportSweep(db: Queryable, id: string, counts: SweepCounts): Promise<void> {
  await db.execute(sql`
    update ${sweeps} set counts = ${JSON.stringify(counts)}::jsonb, progressed_at = clock_timestamp()
    where id = ${id} and status = 'running'`);
}

/** What a complete sweep proves to fences: whoever has applied the feed up to there has seen all but `heldBack`. */
export interface SweepProof {
  feed: FeedHead;
  /** By `refText`; null where there are too many to name. */
  heldBack: readonly string[] | null;
}

export async function completeSweep(
  db: Queryable,
  id: string,
  counts: SweepCounts,
  reached: SweepMark,
  proof?: SweepProof,
): Promise<void> {
  const heldBack = proof?.heldBack ? textArray(proof.heldBack) : null;
  await db.execute(sql`
    update ${sweeps} set status = 'completed', finished_at = clock_timestamp(), progressed_at = clock_timestamp(),
      error = null, counts = ${JSON.stringify(counts)}::jsonb, mark = ${reached.mark}::text::xid8, tail = ${JSON.stringify(reached.tail)}::jsonb,
      feed_incarnation = ${proof?.feed.incarnation ?? null}, feed_number = ${proof?.feed.number ?? null}, held_back = ${heldBack}
    where id = ${id}`);
}

export async function failSweep(
  db: Queryable,
  id: string,
  counts: SweepCounts,
  error: string,
): Promise<void> {
  await db.execute(sql`
    update ${sweeps} set status = 'failed', finished_at = clock_timestamp(), counts = ${JSON.stringify(counts)}::jsonb,
      error = ${error}
    where id = ${id}`);
}

/** Where the last complete sweep of the region got to. Null where there is none, or the database is not the same. */
export async function lastMark(db: Queryable, region: string): Promise<SweepMark> {
  const [row] = await db.execute<{ mark: string | null; tail: ChangedHead[] | null }>(sql`
    select case when mark <= pg_snapshot_xmax(pg_current_snapshot()) then mark::text end as mark, tail
    from ${sweeps} where region = ${region} and status = 'completed' and mark is not null
    order by finished_at desc limit 1`);
  return { mark: row?.mark ?? null, tail: row?.mark ? (row.tail ?? []) : [] };
}

/** Contexts that the last complete sweep of each region left to a person, because the region is ahead with them. */
export async function heldAheadCounts(db: Queryable): Promise<Map<string, number>> {
  const rows = await db.execute<{ region: string; contexts: number }>(sql`
    select r.id as region, coalesce(last.contexts, 0) as contexts from ${regions} r cross join lateral (
      select (s.counts ->> 'heldAhead')::int as contexts from ${sweeps} s
      where s.region = r.id and s.status = 'completed' order by s.finished_at desc limit 1) last`);
  return new Map(rows.map(({ region, contexts }) => [region, contexts]));
}

/** The lowest transaction that is still running: every one below it is committed or gone. */
export async function currentMark(db: Queryable): Promise<string> {
  const [row] = await db.execute<{ mark: string }>(
    sql`select pg_snapshot_xmin(pg_current_snapshot())::text as mark`,
  );
  return row!.mark;
}

/** Heads that moved, a page at a time, and the mark that the look at them stands for. */
export interface Changed {
  mark: string;
  /** Deletions first. `beyond`: in a transaction not below `mark`, so that the next look finds it again. */
  pages: AsyncIterable<readonly (ChangedHead & { beyond: boolean })[]>;
}

/**
 * Heads that moved in transactions not below `mark`. The new mark is of the moment of the call; the pages are read as
 * the caller goes on, each in a snapshot of its own. A head that moves again meanwhile may be in none of them: it
 * moved in a transaction that is not below the new mark, and the next look finds it.
 * @param region leaves out what it does not hold and has not held within a day. Deletions are told all the same:
 * nothing says any more where a deleted key was held.
 */
export async function changedSince(db: Queryable, mark: string, region?: string): Promise<Changed> {
  const [row] = await db.execute<{ xmin: string; xmax: string }>(sql`
    select pg_snapshot_xmin(pg_current_snapshot())::text as xmin, pg_snapshot_xmax(pg_current_snapshot())::text as xmax`);
  const { xmin, xmax } = row!;
  return { mark: xmin, pages: changedPages(db, { since: mark, xmin, xmax, region }) };
}

const changedPageRows = 1000;

/** Those of them that the region holds, or lately held. */
async function heldIn<Head extends ChangedHead>(
  db: Queryable,
  region: string,
  changed: readonly Head[],
): Promise<Head[]> {
  if (changed.length === 0) return [];
  const holders = await holdersOf(db, changed);
  return changed.filter((head) => holders.get(refText(head))?.includes(region));
}

async function* changedPages(
  db: Queryable,
  { since, xmin, xmax, region }: { since: string; xmin: string; xmax: string; region: string | undefined },
): AsyncGenerator<(ChangedHead & { beyond: boolean })[]> {
  const changed = sql`changed_xid >= ${since}::text::xid8 and changed_xid < ${xmax}::text::xid8`;
  // Removed in reverse and published in order, as everywhere. Kind by kind, because Postgres walks the index for a
  // range of one, and sorts what is left of all for every page of several. Mostly nothing changed but heartbeats.
  const parts = [
    ...kindNames.toReversed().map((kind) => ({ kind, deleted: true })),
    ...kindNames.map((kind) => ({ kind, deleted: false })),
  ];
  const concerned = await db.execute<{ kind: KindName; deleted: boolean }>(sql`
    select p.kind, p.deleted
    from unnest(${textArray(parts.map(({ kind }) => kind))}, ${textArray(parts.map(({ deleted }) => String(deleted)))}::boolean[])
      with ordinality as p (kind, deleted, place)
    where exists (select from ${heads} h where h.kind = p.kind and h.deleted = p.deleted and ${changed})
    order by p.place`);
  for (const { kind, deleted } of concerned) {
    let after = '';
    for (;;) {
      // From xmax on are numbers of another database, whose dump was loaded here, and what the next look is for.
      const rows = await db.execute<{ key: string; revision: string; beyond: boolean }>(sql`
        select key, revision::text as revision, changed_xid >= ${xmin}::text::xid8 as beyond from ${heads}
        where kind = ${kind} and deleted = ${deleted} and key > ${after} and ${changed}
        order by key limit ${changedPageRows}`);
      const found = rows.map((row) => ({ ...row, kind, revision: Number(row.revision) }));
      const held = deleted || region === undefined ? found : await heldIn(db, region, found);
      if (held.length > 0) yield held;
      if (rows.length < changedPageRows) break;
      after = rows.at(-1)!.key;
    }
  }
}

/** The highest version this hub ever drew, to compare with what a region remembers. */
export async function hubHighWater(
  db: Queryable,
): Promise<{ epoch: number; revision: number; hubId: string }> {
  const [row] = await db.execute<{ epoch: number; revision: string; hub_id: string }>(
    sql`select epoch, hub_id, (select last_value from revisions)::text as revision from hub_state`,
  );
  return { epoch: row!.epoch, revision: Number(row!.revision), hubId: row!.hub_id };
}

/** What time it is by the database's clock: whole milliseconds since the Unix epoch. */
export async function hubNow(db: Queryable): Promise<number> {
  const [row] = await db.execute<{ now: number }>(
    sql`select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  return row!.now;
}

/** Milliseconds since the region's last complete sweep finished; undefined before the first. */
export async function lastSweepAgeMs(db: Queryable, region: string): Promise<number | undefined> {
  const [row] = await db.execute<{ age: string | null }>(sql`
    select extract(epoch from clock_timestamp() - max(finished_at)) * 1000 as age from ${sweeps}
    where region = ${region} and status = 'completed'`);
  return row?.age == null ? undefined : Number(row.age);
}

/** For every region that is not disabled: milliseconds since its last complete sweep, or since it was added. */
export async function sweepAgesMs(db: Queryable): Promise<Map<string, number>> {
  const rows = await db.execute<{ region: string; age: string }>(sql`
    select r.id as region, extract(epoch from clock_timestamp() - coalesce(
      (select max(s.finished_at) from ${sweeps} s where s.region = r.id and s.status = 'completed'), r.created_at)) * 1000 as age
    from ${regions} r where r.status <> 'disabled'`);
  return new Map(rows.map((row) => [row.region, Number(row.age)]));
}
