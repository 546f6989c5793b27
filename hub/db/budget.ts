import { type SQL, sql } from 'drizzle-orm';
import type { KindName } from '../../contexts/kinds/index.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { type HoldReason, holds, losses, regionContents } from './guard-schema.ts';
import { agentKeys, clusters, heartbeats, tenants } from './schema.ts';

/**
 * The budget of losses (law 9). A *loss* is a put after which a context of a region lets nobody through that may have
 * let somebody through before. Those that nobody stamped as intended are claimed here before they are put.
 *
 * One window a region and kind, shared by all publishers: claims are rows, taken one claimant at a time. A claim is of
 * a context *and* what the region held of it, so that doing the put again costs nothing more, and what was made good
 * and is lost once more does.
 *
 * What is asked for together is granted together or held together: of a mass deletion nothing goes through that comes
 * in one piece. What is held stays held though the window moves on, until the hub's row or what the region holds of
 * it changes, or a person approves.
 */
export interface Budget {
  region: string;
  /** Per cent of the region's contexts of the kind, as the last sweep counted them. */
  percent: number;
  /** Losses that are let through however few contexts there are. */
  min: number;
  windowMs: number;
}

export interface Loss {
  key: string;
  /** The head's; null where the hub has no head of it. */
  revision: number | null;
  /** What the region holds: a version text, or what stands there in its place. */
  replaced: string;
}

export interface HeldLoss {
  reason: Exclude<HoldReason, 'invalid'>;
  detail: string;
}

interface Standing extends Record<string, unknown> {
  key: string;
  standing: 'claimed' | 'approved' | 'held' | 'new';
  reason: HeldLoss['reason'];
  detail: string;
}

const rowsOf: Record<KindName, SQL> = {
  tenant: sql`${tenants}`,
  cluster: sql`${clusters}`,
  'agent-key': sql`${agentKeys}`,
  heartbeat: sql`${heartbeats}`,
};
/** Claims are short; one that waits longer than this is stuck, and the job is tried again. */
const lockTimeoutMs = 2000;

/**
 * Claims losses of one kind. Returns those that must not happen, by key; all others may.
 * In one transaction, after whose end the claims stand whatever becomes of the caller.
 */
export async function claimLosses(
  db: Queryable,
  budget: Budget,
  kind: KindName,
  wanted: readonly Loss[],
): Promise<Map<string, HeldLoss>> {
  const { region } = budget;
  const held = new Map<string, HeldLoss>();
  await db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`);
    await tx.execute(
      sql`select pg_advisory_xact_lock(hashtextextended(${`spokecast losses ${region} ${kind}`}, 0))`,
    );
    const standings = await tx.execute<Standing>(sql`
      select w.key, h.reason, h.detail, case
          when l.key is not null then 'claimed'
          when h.key is null then 'new'
          when h.approved_at is not null and h.revision is not distinct from w.revision then 'approved'
          else 'held' end as standing
      from (${table(wanted)}) w
      left join ${losses} l on l.region = ${region} and l.kind = ${kind} and l.key = w.key and l.replaced = w.replaced
      left join ${holds} h on h.region = ${region} and h.kind = ${kind} and h.key = w.key and h.replaced = w.replaced`);
    const byKey = new Map(wanted.map((loss) => [loss.key, loss]));
    const those = (standing: Standing['standing']) =>
      standings.filter((row) => row.standing === standing).map((row) => byKey.get(row.key)!);

    const fresh = those('new');
    const refusal = fresh.length > 0 ? await judge(tx, budget, kind, fresh.length) : undefined;
    if (refusal) for (const { key } of fresh) held.set(key, refusal);
    else await grant(tx, region, kind, fresh, true);
    await grant(tx, region, kind, those('approved'), false);
    for (const { key, standing, reason, detail } of standings)
      if (standing === 'held') held.set(key, { reason, detail });
    await hold(
      tx,
      region,
      kind,
      [...held].map(([key, why]) => ({ ...byKey.get(key)!, ...why })),
    );
  });
  return held;
}

/** Why this many more must not be lost now; undefined where they may. */
async function judge(
  tx: Queryable,
  budget: Budget,
  kind: KindName,
  count: number,
): Promise<HeldLoss | undefined> {
  const { region, percent, min, windowMs } = budget;
  const [found] = await tx.execute<{ empty: boolean; used: number; contexts: number }>(sql`
    select not exists (select from ${rowsOf[kind]}) as empty,
      (select count(*)::int from ${losses} where region = ${region} and kind = ${kind} and counted
        and at > clock_timestamp() - ${windowMs} * interval '1 millisecond') as used,
      coalesce((select contexts from ${regionContents} where region = ${region} and kind = ${kind}), 0) as contexts`);
  const { empty, used, contexts } = found!;
  if (empty) return { reason: 'kind-empty', detail: `the hub has no ${kind} at all any more` };
  const limit = Math.max(min, Math.floor((contexts * percent) / 100));
  if (used + count <= limit) return undefined;
  const lately = `${used} in the last ${Math.round(windowMs / 1000)} s`;
  return {
    reason: 'budget',
    detail: `${count} lost at once and ${lately}, of ${contexts} contexts; at most ${limit} may be`,
  };
}

async function grant(
  tx: Queryable,
  region: string,
  kind: KindName,
  granted: readonly Loss[],
  counted: boolean,
): Promise<void> {
  if (granted.length === 0) return;
  await tx.execute(sql`
    insert into ${losses} (region, kind, key, replaced, counted)
    select ${region}, ${kind}, g.key, g.replaced, ${counted} from (${table(granted)}) g on conflict do nothing`);
}

async function hold(
  tx: Queryable,
  region: string,
  kind: KindName,
  held: readonly (Loss & HeldLoss)[],
): Promise<void> {
  if (held.length === 0) return;
  const reasons = textArray(held.map((one) => one.reason));
  const details = textArray(held.map((one) => one.detail));
  await tx.execute(sql`
    insert into ${holds} (region, kind, key, reason, detail, revision, replaced)
    select ${region}, ${kind}, w.key, w.reason, w.detail, w.revision, w.replaced
    from (${table(held, sql`, ${reasons}, ${details}`, sql`, reason, detail`)}) w
    on conflict (region, kind, key) do update set
      reason = excluded.reason, detail = excluded.detail, revision = excluded.revision, replaced = excluded.replaced,
      approved_at = null, seen_at = excluded.seen_at,
      since = case when holds.replaced = excluded.replaced then holds.since else excluded.since end`);
}

/** The losses as rows, with more columns beside them. */
function table(rows: readonly Loss[], arrays: SQL = sql``, names: SQL = sql``): SQL {
  const revisions = sql`${sql.param(`{${rows.map((row) => row.revision ?? 'null').join(',')}}`)}::bigint[]`;
  const keys = textArray(rows.map((row) => row.key));
  const replaced = textArray(rows.map((row) => row.replaced));
  return sql`select * from unnest(${keys}, ${revisions}, ${replaced}${arrays}) as w (key, revision, replaced${names})`;
}

/** Claims far beyond any window and any retry. */
export async function trimLosses(db: Queryable): Promise<void> {
  await db.execute(sql`delete from ${losses} where at < now() - interval '2 days'`);
}
