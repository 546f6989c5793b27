import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';

/**
 * What every mutation of the API says first, in one statement. From here on the transaction's changes are meant as they
 * are (intended.ts) and counted to that fence, and nobody is notified of them until it has committed: then the caller
 * gives the hints (docs/adr/0048-notify-after-commit.md).
 */
export async function beginMutation(
  tx: Queryable,
  fence: { id: string; tenantId: string | null },
): Promise<void> {
  await tx.execute(sql`
    select set_config('spokecast.intended', 'on', true), set_config('spokecast.notify', 'after-commit', true),
      open_fence(${fence.id}, ${fence.tenantId}::text)`);
}
