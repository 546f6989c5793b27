import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';

/**
 * The statement by which every mutation of the API says first what holds for the rest of its transaction:
 *
 * - What it changes is meant as it is: the triggers stamp it on heads and holdings, and it is exempt from the budget of
 *   losses (law 9).
 * - It counts to that fence.
 * - Nobody is notified of it before it has committed. Then the caller gives a hint (docs/adr/0048-notify-after-commit.md).
 * - Plans are kept as Postgres sees fit: a row brings some thirty statements of triggers and foreign keys with it, and
 *   to plan each of them anew took longer than to run them (docs/adr/0051-cheap-creations.md).
 */
export function mutationOpening(tx: Queryable, fence: { id: string; tenantId: string | null }) {
  return tx.execute(sql`
    select set_config('spokecast.intended', 'on', true), set_config('spokecast.notify', 'after-commit', true),
      set_config('plan_cache_mode', 'auto', true), open_fence(${fence.id}, ${fence.tenantId}::text)`);
}
