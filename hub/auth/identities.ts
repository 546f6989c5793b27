import { and, eq } from 'drizzle-orm';
import { writeAudit } from '../data/audit.ts';
import type { Queryable } from '../db/client.ts';
import { identities, users } from '../db/people-tables.ts';
import type { Services } from '../services.ts';
import type { Identity } from './oidc.ts';
import type { Browser, UserRow } from './sign-in.ts';

/** The account that an identity opens, locked. */
export async function findByIdentity(
  tx: Queryable,
  { issuer, subject }: Identity,
): Promise<UserRow | undefined> {
  const [found] = await tx
    .select({ user: users })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(and(eq(identities.issuer, issuer), eq(identities.subject, subject)))
    .for('update', { of: users });
  return found?.user;
}

/** Gives an account an identity to be known by. */
export async function addIdentity(
  tx: Queryable,
  user: Pick<UserRow, 'id' | 'name'>,
  { issuer, subject }: Identity,
  { requestId }: Pick<Browser, 'requestId'>,
  services: Services,
): Promise<void> {
  const createdAt = new Date(services.clock.now());
  await tx.insert(identities).values({ issuer, subject, userId: user.id, createdAt });
  const entry = {
    action: 'link-identity',
    resourceType: 'user',
    resourceId: user.id,
    tenantId: null,
  } as const;
  await writeAudit({ db: tx, actor: user, requestId, services }, { ...entry, after: { issuer } });
}

/** Takes all identities of an account away. */
export async function removeIdentities(
  tx: Queryable,
  user: Pick<UserRow, 'id' | 'name'>,
  { requestId }: Pick<Browser, 'requestId'>,
  services: Services,
): Promise<void> {
  const gone = await tx.delete(identities).where(eq(identities.userId, user.id)).returning();
  const entry = {
    action: 'unlink-identity',
    resourceType: 'user',
    resourceId: user.id,
    tenantId: null,
  } as const;
  for (const { issuer } of gone)
    await writeAudit({ db: tx, actor: user, requestId, services }, { ...entry, before: { issuer } });
}

/** How a person can sign in. */
export async function waysIn(
  db: Queryable,
  userId: string,
): Promise<{ hasPassword: boolean; isLinked: boolean }> {
  const [found] = await db
    .select({ passwordHash: users.passwordHash, subject: identities.subject })
    .from(users)
    .leftJoin(identities, eq(identities.userId, users.id))
    .where(eq(users.id, userId))
    .limit(1);
  return { hasPassword: found?.passwordHash != null, isLinked: found?.subject != null };
}
