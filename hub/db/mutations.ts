import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';

/**
 * What every mutation of the API says first, in one statement, of the rest of its transaction:
 *
 * - What it changes is meant as it is: the triggers stamp it on heads and holdings, and it is exempt from the budget of
 *   losses (law 9).
 * - It counts to that fence.
 * - Nobody is notified of it before it has committed. Then the caller gives a hint (docs/adr/0048-notify-after-commit.md).
 */
export async function beginMutation(
  tx: Queryable,
  fence: { id: string; tenantId: string | null },
): Promise<void> {
  await tx.execute(sql`
    select set_config('spokecast.intended', 'on', true), set_config('spokecast.notify', 'after-commit', true),
      open_fence(${fence.id}, ${fence.tenantId}::text)`);
}
