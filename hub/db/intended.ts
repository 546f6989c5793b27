import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';

/**
 * Says that what the rest of this transaction changes is meant as it is: the triggers stamp it on heads and holdings,
 * and it is exempt from the budget of losses (law 9).
 */
export async function markIntended(tx: Queryable): Promise<void> {
  await tx.execute(sql`select set_config('spokecast.intended', 'on', true)`);
}
