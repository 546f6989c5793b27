import { and, eq } from 'drizzle-orm';
import { newId } from '../../../contexts/ids.ts';
import type { Queryable } from '../../db/client.ts';
import { sweeps } from '../../db/schema.ts';
import type { Services } from '../../services.ts';

/**
 * A request that nobody has taken up yet serves everyone who asks meanwhile: what waits is bounded by the number of
 * regions. One that is locked is being taken up this moment, and may have begun to look.
 */
export async function requestSweep(
  db: Queryable,
  region: string,
  { clock, random }: Services,
): Promise<string> {
  const [waiting] = await db
    .select({ id: sweeps.id })
    .from(sweeps)
    .where(and(eq(sweeps.region, region), eq(sweeps.status, 'requested'), eq(sweeps.cause, 'requested')))
    .limit(1)
    .for('update', { skipLocked: true });
  if (waiting) return waiting.id;
  const id = newId('sweep', clock, random);
  await db.insert(sweeps).values({ id, region, cause: 'requested', status: 'requested' });
  return id;
}
