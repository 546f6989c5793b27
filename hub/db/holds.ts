import { sql } from 'drizzle-orm';
import type { KindName } from '../../contexts/kinds/index.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { type HoldReason, holds, regionContents } from './guard-schema.ts';
import { heads, regions, sweeps } from './schema.ts';

/** A context whose last good state stays in place, and why (law 9, and quarantine). */
export interface Hold {
  kind: KindName;
  key: string;
  reason: HoldReason;
  detail: string;
  since: Date;
}

/**
 * Holds that are so now: nobody has let them through, and the hub's row has not changed since. One that did change is
 * judged anew when it is published, so it goes away by itself when it changes back. Heads are looked up one by one, and
 * the comparison is hidden in a `case`: Postgres would take next to no hold for standing, and read all there is for a page.
 */
export const standing = sql`
  ${holds} h where h.approved_at is null
    and case when h.revision is not distinct from (
      select d.revision from ${heads} d where d.kind = h.kind and d.key = h.key) then true else false end`;

/** What an approval is of: every held loss of the region, with the hub's revision and what it would replace. */
const planOf = (region: string) => sql`
  select h.kind, h.key, h.revision, h.replaced from ${standing} and h.region = ${region} and h.reason <> 'invalid'`;
const hashOf = sql`
  encode(sha256(convert_to(string_agg(
    concat_ws(' ', kind, key, coalesce(revision::text, '-'), replaced), E'\n' order by kind, key), 'UTF8')), 'hex')`;

/** Contexts whose content must not be published: noted, so that people see them. */
export async function noteInvalid(
  db: Queryable,
  region: string,
  found: readonly { kind: KindName; key: string; revision: number; reason: string }[],
): Promise<void> {
  const column = (name: 'kind' | 'key' | 'reason') => textArray(found.map((one) => one[name]));
  const revisions = textArray(found.map((one) => String(one.revision)));
  await db.execute(sql`
    insert into ${holds} (region, kind, key, reason, detail, revision)
    select ${region}, f.kind, f.key, 'invalid', f.detail, f.revision::bigint
    from unnest(${column('kind')}, ${column('key')}, ${column('reason')}, ${revisions}) f (kind, key, detail, revision)
    on conflict (region, kind, key) do update set
      reason = 'invalid', detail = excluded.detail, revision = excluded.revision, replaced = null, approved_at = null,
      seen_at = excluded.seen_at,
      since = case when holds.reason = 'invalid' then holds.since else excluded.since end
      -- A denial that the budget holds stays what a person is asked about.
      where holds.reason = 'invalid' or holds.revision is distinct from excluded.revision`);
}

/**
 * At the end of a sweep that saw everything: removes the holds it did not find again, counts what the region holds,
 * and writes down what is held as the plan that an approval of this sweep lets through.
 */
export async function concludeHolds(
  db: Queryable,
  sweep: {
    id: string;
    region: string;
    contexts: ReadonlyMap<KindName, number>;
    /** It judged every difference: none was left out because of a freeze. */
    judgedAll: boolean;
  },
): Promise<void> {
  const { id, region } = sweep;
  await db.transaction(async (tx) => {
    if (sweep.judgedAll)
      await tx.execute(sql`
      delete from ${holds} where region = ${region}
        and seen_at < (select started_at from ${sweeps} where id = ${id})`);
    const counted = JSON.stringify(Object.fromEntries(sweep.contexts));
    await tx.execute(sql`
      insert into ${regionContents} (region, kind, contexts)
      select ${region}, kind, contexts::int from json_each_text(${counted}::json) as counted (kind, contexts)
      on conflict (region, kind) do update set contexts = excluded.contexts, counted_at = excluded.counted_at`);
    await tx.execute(sql`
      update ${sweeps} set plan = (select ${hashOf} from (${planOf(region)}) plan) where id = ${id}`);
  });
}

export type Approval =
  | { outcome: 'approved'; contexts: number }
  /** What is held now is not what was held when the sweep ended. */
  | { outcome: 'changed' };

/** Lets exactly that plan through, or nothing of it: judged and marked in one snapshot. */
export async function approvePlan(db: Queryable, region: string, plan: string): Promise<Approval> {
  const [row] = await db.execute<{ same: boolean; contexts: number }>(sql`
    with plan as materialized (${planOf(region)}),
    judged as materialized (select coalesce(${hashOf} = ${plan}, false) as same from plan),
    approved as (
      update ${holds} h set approved_at = clock_timestamp() from plan p, judged
      where judged.same and h.region = ${region} and h.kind = p.kind and h.key = p.key
        and h.revision is not distinct from p.revision and h.replaced = p.replaced
      returning 1)
    select same, (select count(*)::int from approved) as contexts from judged`);
  return row!.same ? { outcome: 'approved', contexts: row!.contexts } : { outcome: 'changed' };
}

export interface HoldCount {
  region: string;
  kind: KindName;
  reason: HoldReason;
  contexts: number;
}

export async function countHolds(db: Queryable): Promise<HoldCount[]> {
  const rows = await db.execute<HoldCount & Record<string, unknown>>(sql`
    select h.region, h.kind, h.reason, count(*)::int as contexts from ${standing}
      and exists (select from ${regions} r where r.id = h.region and r.status <> 'disabled')
    group by h.region, h.kind, h.reason order by 1, 2, 3`);
  return [...rows];
}

/** Holds in the order of kind and key, after `after` where it is given. */
export async function listHolds(
  db: Queryable,
  region: string,
  page: { after?: { kind: string; key: string } | undefined; limit: number; kind?: string; reason?: string },
): Promise<Hold[]> {
  const { after, limit, kind, reason } = page;
  const rows = await db.execute<Omit<Hold, 'since'> & { since: string } & Record<string, unknown>>(sql`
    select h.kind, h.key, h.reason, h.detail, h.since from ${standing} and h.region = ${region}
      ${after ? sql`and (h.kind, h.key) > (${after.kind}, ${after.key})` : sql``}
      ${kind === undefined ? sql`` : sql`and h.kind = ${kind}`}
      ${reason === undefined ? sql`` : sql`and h.reason = ${reason}`}
    order by h.kind, h.key limit ${limit}`);
  return rows.map((row) => ({ ...row, since: new Date(row.since) }));
}

/** Why the context is held, by region. */
export async function holdsOf(
  db: Queryable,
  ref: { kind: KindName; key: string },
): Promise<Map<string, Pick<Hold, 'reason' | 'detail'>>> {
  const rows = await db.execute<{ region: string; reason: HoldReason; detail: string }>(sql`
    select h.region, h.reason, h.detail from ${standing} and h.kind = ${ref.kind} and h.key = ${ref.key}`);
  return new Map(rows.map(({ region, ...hold }) => [region, hold]));
}
