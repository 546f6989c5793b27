import { type SQL, sql } from 'drizzle-orm';
import type { KindName } from '../../contexts/kinds/index.ts';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { type HoldReason, holds, losses, regionContents } from './guard-schema.ts';
import { countLostKeys, takesKeysAlong } from './lost-keys.ts';
import { agentKeys, clusters, heartbeats, tenants } from './schema.ts';

/**
 * The budget of losses (law 9). A *loss* is a put after which a context of a region lets nobody through that may have
 * let somebody through before. Those that nobody stamped as intended are claimed here before they are put.
 *
 * One window a region and kind, shared by all publishers: claims are rows, taken one claimant at a time. A claim is of
 * a context *and* what the region held of it, so that doing the put again costs nothing more, and what was made good
 * and is lost once more does.
 *
 * A tenant or a cluster that turns to deny takes its live keys along, which stay as they are and lose nothing
 * themselves. So it counts twice: as one of its own kind, and its keys in the budget of agent keys.
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
  /** It stays and denies, and so does all that stands on it; or it goes, and what goes with it is lost by itself. */
  turn: 'denies' | 'goes';
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
    await lockBudget(tx, region, kind);
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
    const { refusal, lostKeys } = await judge(tx, budget, kind, fresh);
    if (refusal) for (const { key } of fresh) held.set(key, refusal);
    else await grant(tx, region, kind, fresh, { counted: true, lostKeys });
    await grant(tx, region, kind, those('approved'), { counted: false });
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

/** One claimant at a time, until the transaction ends. Whoever takes two takes that of agent keys last. */
async function lockBudget(tx: Queryable, region: string, kind: KindName): Promise<void> {
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtextextended(${`spokecast losses ${region} ${kind}`}, 0))`,
  );
}

interface Judged {
  /** Why none of them must be lost now; undefined where all may. */
  refusal?: HeldLoss;
  /** The agent keys that each takes along. */
  lostKeys?: ReadonlyMap<string, number>;
}

async function judge(
  tx: Queryable,
  budget: Budget,
  kind: KindName,
  wanted: readonly Loss[],
): Promise<Judged> {
  if (wanted.length === 0) return {};
  const { region, windowMs } = budget;
  const room = await readRoom(tx, budget, kind);
  if (room.empty)
    return { refusal: { reason: 'kind-empty', detail: `the hub has no ${kind} at all any more` } };
  const lately = (used: number) => `${used} in the last ${Math.round(windowMs / 1000)} s`;
  if (room.used + wanted.length > room.limit)
    return {
      refusal: {
        reason: 'budget',
        detail: `${wanted.length} lost at once and ${lately(room.used)}, of ${room.contexts} contexts; at most ${room.limit} may be`,
      },
    };
  const denying = wanted.filter(({ turn }) => turn === 'denies').map(({ key }) => key);
  if (denying.length === 0 || !takesKeysAlong(kind)) return {};
  await lockBudget(tx, region, 'agent-key');
  const { used, contexts, limit } = await readRoom(tx, budget, 'agent-key');
  const max = Math.max(0, limit - used);
  const lostKeys = await countLostKeys(tx, region, kind, denying, max);
  const count = [...lostKeys.values()].reduce((sum, keys) => sum + keys, 0);
  if (count <= max) return { lostKeys };
  return {
    refusal: {
      reason: 'budget',
      detail: `more than ${max} agent keys would stop to work with what turns to deny, beside ${lately(used)}, of ${contexts}; at most ${limit} may`,
    },
  };
}

interface Room extends Record<string, unknown> {
  /** The hub has no row of the kind. */
  empty: boolean;
  /** Losses that count in the window. */
  used: number;
  /** What the region held of the kind when it was last swept. */
  contexts: number;
}

async function readRoom(
  tx: Queryable,
  { region, percent, min, windowMs }: Budget,
  kind: KindName,
): Promise<Room & { limit: number }> {
  const counted = sql`from ${losses} where region = ${region} and counted
    and at > clock_timestamp() - ${windowMs} * interval '1 millisecond'`;
  // Those that tenants and clusters took along are lost keys like any other.
  const takenAlong =
    kind === 'agent-key'
      ? sql`(select coalesce(sum(lost_keys), 0)::int ${counted} and kind in ('tenant', 'cluster'))`
      : sql`0`;
  const [found] = await tx.execute<Room>(sql`
    select not exists (select from ${rowsOf[kind]}) as empty,
      (select count(*)::int ${counted} and kind = ${kind}) + ${takenAlong} as used,
      coalesce((select contexts from ${regionContents} where region = ${region} and kind = ${kind}), 0) as contexts`);
  return { ...found!, limit: Math.max(min, Math.floor((found!.contexts * percent) / 100)) };
}

async function grant(
  tx: Queryable,
  region: string,
  kind: KindName,
  granted: readonly Loss[],
  { counted, lostKeys }: { counted: boolean; lostKeys?: Judged['lostKeys'] },
): Promise<void> {
  if (granted.length === 0) return;
  const keys = sql`, ${sql.param(`{${granted.map(({ key }) => lostKeys?.get(key) ?? 0).join(',')}}`)}::integer[]`;
  await tx.execute(sql`
    insert into ${losses} (region, kind, key, replaced, counted, lost_keys)
    select ${region}, ${kind}, g.key, g.replaced, ${counted}, g.lost_keys
    from (${table(granted, keys, sql`, lost_keys`)}) g on conflict do nothing`);
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
