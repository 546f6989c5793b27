import { sql } from 'drizzle-orm';
import type { Queryable } from './client.ts';
import { type FreezeMode, freezes } from './guard-schema.ts';

/** A freeze as a person set it. */
export interface Freeze {
  /** Null: every region. */
  region: string | null;
  mode: FreezeMode;
  reason: string | null;
  actorId: string;
  actorName: string;
  since: Date;
}

/** All there are: one a region at the most, and one for all of them. */
export function readFreezes(db: Queryable): Promise<Freeze[]> {
  return db.select().from(freezes).orderBy(freezes.region);
}

/** Sets it, over one that was there. */
export async function setFreeze(db: Queryable, freeze: Omit<Freeze, 'since'>): Promise<Freeze> {
  const [row] = await db
    .insert(freezes)
    .values(freeze)
    .onConflictDoUpdate({ target: freezes.region, set: { ...freeze, since: sql`clock_timestamp()` } })
    .returning();
  return row!;
}

export async function clearFreeze(db: Queryable, region: string | null): Promise<Freeze | undefined> {
  const [row] = await db
    .delete(freezes)
    .where(sql`${freezes.region} is not distinct from ${region}`)
    .returning();
  return row;
}

/** What holds for a region: of its own freeze and the one for all, the one that stops more. */
export function freezeOf<Found extends Pick<Freeze, 'region' | 'mode'>>(
  all: readonly Found[],
  region: string,
): Found | undefined {
  const concerned = all.filter((one) => one.region === null || one.region === region);
  return concerned.find((one) => one.mode === 'all') ?? concerned[0];
}
