import { sql } from 'drizzle-orm';
import { chunked } from '../../contexts/base/bounded.ts';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import { encodeVersion } from '../../contexts/revision.ts';
import { writeAudit } from '../data/audit.ts';
import { textArray } from '../db/builders/builder.ts';
import type { Db, Queryable } from '../db/client.ts';
import { oneTimeLinks, sessions } from '../db/people-tables.ts';
import { agentKeys, clusters, hubState, placements, regionRuns, tenants } from '../db/schema.ts';
import type { Witness } from './evidence.ts';
import type { KeyChanges } from './judge.ts';
import { importIntoKept } from './kept.ts';
import type { Import } from './plan.ts';
import { tightened } from './tightened.ts';

export interface Promotion {
  hubId: string;
  from: number;
  to: number;
  run: number;
  /** The highest revision any region has seen. */
  revision: number;
  imports: readonly Import[];
  without: readonly string[];
}

/** Somebody else promoted meanwhile, or changed what this was planned on. */
export class PromotionOvertakenError extends Error {
  override name = 'PromotionOvertakenError';
  readonly exitCode = 75;
}

/**
 * Imports and the new epoch, in one transaction. Before it commits, the epoch is claimed in every region by raising
 * its high-water mark: two hubs that were restored from one dump can then not come to the same one, and a publisher
 * of the lost past that still runs stops. Interrupted after the claim, the regions are ahead as they were before, and
 * the next promotion goes one higher.
 */
export async function applyPromotion(
  db: Db,
  promotion: Promotion,
  witnesses: readonly Witness[],
  parts: { clock: Clock; random: Random },
): Promise<void> {
  const { hubId, from, to, run, revision, imports, without } = promotion;
  await db.transaction(async (tx) => {
    await tx.execute(sql`set local statement_timeout = 0`);
    await tx.execute(sql`set local idle_in_transaction_session_timeout = '60s'`);
    // A person asked for all of it: the budget of losses does not hold it (law 9).
    await tx.execute(sql`select set_config('spokecast.intended', 'on', true)`);
    const [now] = await tx.select().from(hubState).for('update');
    if (now!.epoch !== from || now!.run !== run)
      throw new PromotionOvertakenError(
        `the hub is at epoch ${now!.epoch}, run ${now!.run} now, not at ${from}, ${run}: run the command again`,
      );
    const withdrawn = await importAll(tx, imports);
    await tx.execute(
      sql`select setval('revisions', greatest(last_value, ${revision}::bigint)) from revisions`,
    );
    await tx.update(hubState).set({ epoch: to });
    // Who signed out or used a link up since the backup is known nowhere: both end for everybody.
    await tx.delete(sessions);
    await tx.delete(oneTimeLinks);
    for (const { id } of witnesses) {
      await tx
        .insert(regionRuns)
        .values({ region: id, run })
        .onConflictDoUpdate({ target: regionRuns.region, set: { run } });
    }
    const call = { db: tx, actor: { id: 'cli', name: 'cli' }, requestId: 'cli', services: parts };
    await writeAudit(call, {
      action: 'promote',
      resourceType: 'epoch',
      resourceId: hubId,
      tenantId: null,
      before: { epoch: from, placementsRemoved: withdrawn },
      after: { epoch: to, imports, withoutRegions: without },
    });
    const claim = encodeVersion({ epoch: to, revision: 1, schemaVersion: 1 });
    for (const { id, store } of witnesses) {
      if ((await store.raiseHighWater(claim)) === 'already-higher')
        throw new PromotionOvertakenError(
          `region ${id} has meanwhile seen epoch ${to} or a later one: run the command again`,
        );
    }
    await tx.execute(sql`select pg_notify('spokecast_regions', '')`);
    await tx.execute(sql`select pg_notify('spokecast_outbox', '')`);
  });
}

/** Tightens the rows. Returns the placements it removed, for the audit log: nothing else remembers them. */
async function importAll(tx: Queryable, imports: readonly Import[]): Promise<Record<string, unknown>[]> {
  const ids = (...actions: Import['action'][]) =>
    chunked(
      imports.filter(({ action }) => actions.includes(action)).map(({ id }) => id),
      1_000,
    ).map(textArray);
  for (const some of ids('suspend-tenant'))
    await tx.execute(
      sql`update ${tenants} set status = 'suspended', updated_at = now() where id = any(${some}) and status = 'active'`,
    );
  for (const some of ids('disable-cluster', 'withdraw-cluster'))
    await tx.execute(
      sql`update ${clusters} set status = 'disabled', updated_at = now() where id = any(${some}) and status = 'active'`,
    );
  const withdrawn: Record<string, unknown>[] = [];
  for (const some of ids('withdraw-cluster'))
    withdrawn.push(
      ...(await tx.execute<Record<string, unknown>>(
        sql`delete from ${placements} where cluster_id = any(${some}) returning cluster_id, region, overrides`,
      )),
    );
  for (const some of ids('delete-key'))
    await tx.execute(sql`delete from ${agentKeys} where id = any(${some})`);
  for (const some of ids('disable-key'))
    await tx.execute(
      sql`update ${agentKeys} set status = 'disabled', updated_at = now() where id = any(${some}) and status = 'active'`,
    );
  for (const one of imports) if (one.action === 'tighten-key') await tighten(tx, one.id, one.changes);
  await importIntoKept(tx, imports);
  return withdrawn;
}

async function tighten(tx: Queryable, id: string, changes: KeyChanges): Promise<void> {
  const set = Object.entries(tightened(changes)).map(
    ([column, value]) => sql`${sql.identifier(column)} = ${value}`,
  );
  await tx.execute(sql`
    update ${agentKeys} set updated_at = now(), ${sql.join(set, sql`, `)} where id = ${id}`);
}
