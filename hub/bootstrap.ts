import { eq } from 'drizzle-orm';
import { type Clock, systemClock } from '../contexts/base/clock.ts';
import { type Random, systemRandom } from '../contexts/base/random.ts';
import { isId } from '../contexts/ids.ts';
import { makeApplicationKey } from './api/application-keys/make.ts';
import type { Role } from './auth/actor.ts';
import type { MadeLink } from './auth/one-time-links.ts';
import { makeSetUpLink } from './auth/set-up-link.ts';
import { writeAudit } from './data/audit.ts';
import { inTransaction } from './data/transaction.ts';
import type { DatabaseAddress } from './db/address.ts';
import { connect } from './db/client.ts';
import { checkMigrated } from './db/migrate.ts';
import { sessions, users } from './db/people-tables.ts';
import { tenants } from './db/schema.ts';
import { name } from './http/fields.ts';

export interface NewApplicationKey {
  role: Role;
  /** Absent: a key of the platform. */
  tenantId?: string | null | undefined;
  name: string;
}

/**
 * Makes an application key straight in the database: how the first one comes into being, and the way back in for
 * who has lost them all. Audited with the actor `cli`.
 * @throws SchemaError where the database is not migrated; an Error in words for people where the input is at fault.
 */
export async function createApplicationKey(
  where: string | DatabaseAddress,
  wanted: NewApplicationKey,
  parts: { clock: Clock; random: Random } = { clock: systemClock, random: systemRandom },
): Promise<{ id: string; secret: string }> {
  const parsedName = name.safeParse(wanted.name);
  if (!parsedName.success) throw new Error(`the name ${parsedName.error.issues[0]?.message}`);
  const tenantId = wanted.tenantId ?? null;
  if (tenantId !== null && !isId('tenant', tenantId))
    throw new Error(`${JSON.stringify(tenantId)} is not the id of a tenant`);

  await using database = connect(where, { applicationName: 'spokecast application-keys', max: 1 });
  await checkMigrated(database);
  return await inTransaction({ database, ...parts }, async (tx) => {
    if (tenantId !== null) {
      const [tenant] = await tx
        .select({ id: tenants.id })
        .from(tenants)
        .where(eq(tenants.id, tenantId))
        .for('key share');
      if (!tenant) throw new Error(`there is no tenant ${tenantId}`);
    }
    const call = { db: tx, actor: { id: 'cli', name: 'cli' }, requestId: 'cli', services: parts };
    const values = { role: wanted.role, name: parsedName.data, tenantId, userId: null, expiresAt: null };
    const { key, secret } = await makeApplicationKey(call, values);
    return { id: key.id, secret };
  });
}

/**
 * A new link that makes the platform's first person, its owner; undefined where somebody has signed in already.
 * @throws SchemaError where the database is not migrated.
 */
export async function createSetUpLink(
  where: string | DatabaseAddress,
  wanted: { origin: string; linkMs: number },
  parts: { clock: Clock; random: Random } = { clock: systemClock, random: systemRandom },
): Promise<MadeLink | undefined> {
  await using database = connect(where, { applicationName: 'spokecast hub set-up-link', max: 1 });
  await checkMigrated(database);
  const linkMs = { 'set-up': wanted.linkMs, invitation: 0, 'password-reset': 0, 'command-line': 0 };
  return await makeSetUpLink(database.db, { ...parts, people: { origin: () => wanted.origin, linkMs } });
}

/**
 * Ends sessions straight in the database, so that it works whatever the hub does: it has no secret that could be
 * changed instead. Audited with the actor `cli`, for each person and no session's token.
 * @throws SchemaError where the database is not migrated; an Error in words for people where there is no such person.
 */
export async function signOut(
  where: string | DatabaseAddress,
  whom: 'everybody' | { userId: string },
  parts: { clock: Clock; random: Random } = { clock: systemClock, random: systemRandom },
): Promise<{ sessions: number; people: number }> {
  await using database = connect(where, { applicationName: 'spokecast hub sign-out', max: 1 });
  await checkMigrated(database);
  return await inTransaction({ database, ...parts }, async (tx) => {
    if (whom !== 'everybody') {
      const [user] = await tx.select({ id: users.id }).from(users).where(eq(users.id, whom.userId));
      if (!user) throw new Error(`there is no person ${JSON.stringify(whom.userId)}`);
    }
    const theirs = whom === 'everybody' ? undefined : eq(sessions.userId, whom.userId);
    const ended = await tx.delete(sessions).where(theirs).returning({ userId: sessions.userId });
    const call = { db: tx, actor: { id: 'cli', name: 'cli' }, requestId: 'cli', services: parts };
    const people = [...Map.groupBy(ended, ({ userId }) => userId)];
    for (const [userId, theirSessions] of people)
      await writeAudit(call, {
        ...{ action: 'sign-out-everywhere', resourceType: 'user', resourceId: userId, tenantId: null },
        after: { sessions: theirSessions.length },
      });
    return { sessions: ended.length, people: people.length };
  });
}
