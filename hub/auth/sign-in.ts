import { and, eq } from 'drizzle-orm';
import { writeAudit } from '../data/audit.ts';
import { inTransaction } from '../data/transaction.ts';
import { hasEmail } from '../data/where.ts';
import type { Queryable } from '../db/client.ts';
import { users } from '../db/people-tables.ts';
import type { Services } from '../services.ts';
import { beginSession } from './sessions.ts';

export type UserRow = typeof users.$inferSelect;

/** The browser that signs in. */
export interface Browser {
  /** The token it has already, which the new one takes the place of. */
  replaces: string | undefined;
  source: string;
  userAgent: string;
  requestId: string;
}

export type GuessOutcome =
  | { outcome: 'right'; user: UserRow }
  /** The same for an unknown address, a wrong password, and who may not sign in. */
  | { outcome: 'refused' }
  | { outcome: 'limited'; waitMs: number };

/**
 * Finds out whether a password is that person's. One hash is computed, whether or not there is such a person, before
 * anything is decided; the limits come first, and know an account by its address, whether or not it exists.
 */
export async function checkPassword(
  email: string,
  password: string,
  source: string,
  services: Services,
): Promise<GuessOutcome> {
  const { guesses, passwords, database, metrics } = services;
  const guess = await guesses.guess(source, email);
  if (guess.outcome === 'limited') {
    metrics.signIns.inc({ how: 'password', outcome: 'limited' });
    return guess;
  }
  const [user] = await database.db.select().from(users).where(hasEmail(email));
  const check = await passwords.check(password, user?.passwordHash);
  const isRight = check === 'right' || check === 'right-but-weak-hash';
  if (!user || !isRight || user.status !== 'active') {
    metrics.signIns.inc({ how: 'password', outcome: 'refused' });
    return { outcome: 'refused' };
  }
  await guess.worked();
  metrics.signIns.inc({ how: 'password', outcome: 'signed-in' });
  if (check === 'right') return { outcome: 'right', user };
  const [renewed] = await database.db
    .update(users)
    .set({ passwordHash: await passwords.hash(password), updatedAt: user.updatedAt })
    .where(and(eq(users.id, user.id), eq(users.passwordHash, user.passwordHash!)))
    .returning();
  return { outcome: 'right', user: renewed ?? user };
}

/** Begins a session for a person who has proven who they are; `tx` is the transaction of what proved it. */
export async function signInAs(
  tx: Queryable,
  user: Pick<UserRow, 'id' | 'name' | 'updatedAt'>,
  browser: Browser,
  services: Services,
  scope?: string,
): Promise<string> {
  const { requestId, replaces, source, userAgent } = browser;
  const from = { replaces, source, userAgent: userAgent.slice(0, 300) };
  const token = await beginSession(
    tx,
    user.id,
    { ...from, ...(scope === undefined ? {} : { scope }) },
    services,
  );
  await tx
    .update(users)
    .set({ lastSignedInAt: new Date(services.clock.now()), updatedAt: user.updatedAt })
    .where(eq(users.id, user.id));
  const entry = { resourceType: 'user', resourceId: user.id, tenantId: null } as const;
  await writeAudit({ db: tx, actor: user, requestId, services }, { action: 'sign-in', ...entry });
  return token;
}

/** Signs in by email and password. The token is for the browser's cookie. */
export async function signInByPassword(
  given: { email: string; password: string },
  browser: Browser,
  services: Services,
): Promise<{ outcome: 'signed-in'; token: string } | Exclude<GuessOutcome, { outcome: 'right' }>> {
  const guess = await checkPassword(given.email, given.password, browser.source, services);
  if (guess.outcome !== 'right') return guess;
  const token = await inTransaction(services, async (tx) => {
    // Locked and read again: who is disabled or given another password meanwhile is not let in by this one.
    const [user] = await tx.select().from(users).where(eq(users.id, guess.user.id)).for('update');
    const stands = user?.status === 'active' && user.passwordHash === guess.user.passwordHash;
    return stands ? signInAs(tx, user, browser, services) : undefined;
  });
  return token === undefined ? { outcome: 'refused' } : { outcome: 'signed-in', token };
}
