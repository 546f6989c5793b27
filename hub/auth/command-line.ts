import { hash, timingSafeEqual } from 'node:crypto';
import { and, eq, isNotNull, isNull } from 'drizzle-orm';
import { inTransaction } from '../data/transaction.ts';
import { memberships, users } from '../db/people-tables.ts';
import type { Services } from '../services.ts';
import { findLink, makeLink, useUp } from './one-time-links.ts';
import { makePersonalKey, type PersonalKeys } from './personal-keys.ts';
import { isStillSignedIn, type SignedIn } from './sessions.ts';

/** Days for which a key works that `spokecast login --browser` was given. */
export const commandLineDays = 30;

/**
 * A code that the person's browser takes to the command line that asked, on the same machine. It is worth nothing
 * without what that command kept to itself, of which `challenge` is the hash.
 */
export async function allowCommandLine(
  person: SignedIn,
  challenge: string,
  services: Services,
): Promise<{ outcome: 'allowed'; code: string } | { outcome: 'signed-out' }> {
  const { user, scope } = person;
  const scopes = scope === null ? [] : [scope.tenantId];
  const wanted = { purpose: 'command-line', userId: user.id, scopes, challenge, createdBy: user.id } as const;
  const link = await inTransaction(services, async (db) =>
    (await isStillSignedIn(db, person)) ? makeLink(db, wanted, services) : undefined,
  );
  if (!link) return { outcome: 'signed-out' };
  return { outcome: 'allowed', code: new URL(link.url).searchParams.get('token')! };
}

export type Exchanged = Exclude<PersonalKeys, 'too-many'> & { email: string };

/** The key for a code: one that is the person's. A code is used up also by who does not know what belongs to it. */
export async function exchangeCode(
  given: { code: string; verifier: string; name: string },
  requestId: string,
  services: Services,
): Promise<Exchanged | 'refused' | 'too-many'> {
  const link = await findLink(services.database.db, 'command-line', given.code, services);
  if (!link) return 'refused';
  return inTransaction(services, async (db) => {
    const [user] = await db.select().from(users).where(eq(users.id, link.userId!)).for('update');
    if (!(await useUp(db, link, services)) || user?.status !== 'active') return 'refused';
    if (!answers(given.verifier, link.challenge)) return 'refused';
    const tenantId = link.scopes[0];
    if (tenantId === undefined) return 'refused';
    const inScope = tenantId === null ? isNull(memberships.tenantId) : eq(memberships.tenantId, tenantId);
    const [membership] = await db
      .select()
      .from(memberships)
      .where(and(eq(memberships.userId, user.id), inScope, isNotNull(memberships.acceptedAt)));
    if (!membership) return 'refused';
    const { role } = membership;
    const wanted = { scope: { tenantId, role }, role, name: given.name, days: commandLineDays };
    const made = await makePersonalKey(db, user, wanted, requestId, services);
    return made === 'too-many' ? made : { ...made, email: user.email };
  });
}

function answers(verifier: string, challenge: string | null): boolean {
  const shown = Buffer.from(hash('sha256', verifier, 'base64url'));
  const wanted = Buffer.from(challenge ?? '');
  return shown.length === wanted.length && timingSafeEqual(shown, wanted);
}
