import { and, eq, inArray, isNull, ne, or } from 'drizzle-orm';
import { newId } from '../../contexts/ids.ts';
import { takeTurn } from '../api/application-keys/last-owner.ts';
import { writeAudit } from '../data/audit.ts';
import { inTransaction } from '../data/transaction.ts';
import { hasEmail } from '../data/where.ts';
import type { Queryable } from '../db/client.ts';
import { memberships, oneTimeLinks, users } from '../db/people-tables.ts';
import type { Services } from '../services.ts';
import { removeIdentities } from './identities.ts';
import { type LinkRow, useUp } from './one-time-links.ts';
import { revokePersonalKeys } from './personal-keys.ts';
import { endSessions, type SignedIn, scopeKey } from './sessions.ts';
import { type Browser, signInAs, type UserRow } from './sign-in.ts';

/** What the three kinds of one-time link do. Each uses its link up and signs in, in one transaction, or does nothing. */
export type Welcomed = { outcome: 'signed-in'; token: string } | { outcome: 'link-used-up' };

export const usedUp = { outcome: 'link-used-up' } as const;

/** Whether nobody has ever signed in to this hub, so that a set-up link may make the first owner. */
export async function isWithoutPeople(db: Queryable): Promise<boolean> {
  const [somebody] = await db
    .select({ id: users.id })
    .from(users)
    .where(ne(users.status, 'invited'))
    .limit(1);
  return somebody === undefined;
}

/** Makes the platform's first person, its owner. */
export async function setUp(
  link: LinkRow,
  given: { email: string; name: string; password: string },
  browser: Browser,
  services: Services,
): Promise<Welcomed> {
  const passwordHash = await services.passwords.hash(given.password);
  const { email, name } = given;
  return inTransaction(services, async (tx): Promise<Welcomed> => {
    await takeTurn(tx);
    if (!(await isWithoutPeople(tx)) || !(await useUp(tx, link, services))) return usedUp;
    await tx.delete(users).where(and(hasEmail(email), eq(users.status, 'invited')));
    const id = newId('user', services.clock, services.random);
    const values = { id, email, name, passwordHash, status: 'active' as const };
    const [user] = await tx.insert(users).values(values).returning();
    const acceptedAt = new Date(services.clock.now());
    await tx.insert(memberships).values({ userId: id, tenantId: null, role: 'owner', acceptedAt });
    await audit(tx, user!, browser, services, 'create', 'user', null, { id, email, name, status: 'active' });
    await audit(tx, user!, browser, services, 'create', 'membership', null, {
      ...{ email, tenantId: null, role: 'owner', status: 'active' },
    });
    // Other links to this page are of no use now, nor may they be if everybody is deleted again.
    await tx.delete(oneTimeLinks).where(and(eq(oneTimeLinks.purpose, 'set-up'), isNull(oneTimeLinks.usedAt)));
    return { outcome: 'signed-in', token: await signInAs(tx, user!, browser, services) };
  });
}

/**
 * Accepts the memberships that an invitation is to. `proof` says how it is known whose account it is: a password that
 * is chosen now, for an account that nobody has signed in to yet; or that the person was found to be its holder. An
 * account that has a password is never given another by an invitation: whoever made it may not be who was invited now.
 */
export async function acceptInvitation(
  link: LinkRow,
  proof: { name: string; password: string } | 'holder',
  browser: Browser,
  services: Services,
): Promise<Welcomed> {
  const passwordHash = proof === 'holder' ? undefined : await services.passwords.hash(proof.password);
  return inTransaction(services, async (tx): Promise<Welcomed> => {
    await takeTurn(tx);
    const [row] = await tx.select().from(users).where(eq(users.id, link.userId!)).for('update');
    const fits = row?.status === (proof === 'holder' ? 'active' : 'invited');
    if (!fits || !(await useUp(tx, link, services))) return usedUp;
    const user =
      proof === 'holder'
        ? row
        : (
            await tx
              .update(users)
              .set({ name: proof.name, passwordHash: passwordHash!, status: 'active' })
              .where(eq(users.id, row.id))
              .returning()
          )[0]!;
    await acceptMemberships(tx, link, user, browser, services);
    const scope = link.scopes[0];
    const wanted = scope === undefined ? undefined : scopeKey(scope);
    return { outcome: 'signed-in', token: await signInAs(tx, user, browser, services, wanted) };
  });
}

/**
 * Makes members of who has shown that both link and account are theirs. From then on the account opens more: what
 * others may hold of it from before (a session, a link to another password that a tenant made for who belonged to it
 * alone) is void.
 */
export async function acceptMemberships(
  tx: Queryable,
  link: LinkRow,
  user: UserRow,
  browser: Browser,
  services: Services,
): Promise<void> {
  await endSessions(tx, user.id);
  await voidLinks(tx, user.id, 'password-reset');
  const tenantIds = link.scopes.filter((scope) => scope !== null);
  const accepted = await tx
    .update(memberships)
    .set({ acceptedAt: new Date(services.clock.now()) })
    .where(
      and(
        eq(memberships.userId, user.id),
        isNull(memberships.acceptedAt),
        or(
          tenantIds.length > 0 ? inArray(memberships.tenantId, tenantIds) : undefined,
          link.scopes.includes(null) ? isNull(memberships.tenantId) : undefined,
        ),
      ),
    )
    .returning();
  for (const { tenantId, role } of accepted)
    await audit(tx, user, browser, services, 'accept', 'membership', tenantId, {
      ...{ email: user.email, tenantId, role, status: 'active' },
    });
}

/**
 * Gives a person another password, signed out everywhere else, and with no other way in: whoever is handed the link is
 * whose account it is from now on, and who held it before may have given it an identity or a key of their own.
 */
export async function resetPassword(
  link: LinkRow,
  password: string,
  browser: Browser,
  services: Services,
): Promise<Welcomed> {
  const passwordHash = await services.passwords.hash(password);
  const welcomed = await inTransaction(services, async (tx): Promise<Welcomed> => {
    const [row] = await tx.select().from(users).where(eq(users.id, link.userId!)).for('update');
    if (row?.status !== 'active' || !(await useUp(tx, link, services))) return usedUp;
    await setPassword(tx, row, passwordHash, browser, services);
    await removeIdentities(tx, row, browser, services);
    await endSessions(tx, row.id);
    await voidLinks(tx, row.id, 'command-line');
    await revokePersonalKeys(tx, row, browser.requestId, services);
    return { outcome: 'signed-in', token: await signInAs(tx, row, browser, services) };
  });
  services.keys.clear();
  return welcomed;
}

/** Changes the password of who is signed in: signed out everywhere else, and here with a new token. */
export async function changePassword(
  { user: { id: userId }, session }: SignedIn,
  password: string,
  browser: Browser,
  services: Services,
): Promise<string> {
  const passwordHash = await services.passwords.hash(password);
  return inTransaction(services, async (tx) => {
    const [row] = await tx.select().from(users).where(eq(users.id, userId)).for('update');
    if (row?.status !== 'active') throw new Error('a person who is signed in is gone');
    await setPassword(tx, row, passwordHash, browser, services);
    await endSessions(tx, userId);
    return signInAs(tx, row, browser, services, session.scope ?? undefined);
  });
}

/** Links to choose a password are void once one is chosen. */
async function setPassword(
  tx: Queryable,
  user: UserRow,
  passwordHash: string,
  browser: Browser,
  services: Services,
): Promise<void> {
  await tx.update(users).set({ passwordHash }).where(eq(users.id, user.id));
  await voidLinks(tx, user.id, 'password-reset');
  await audit(tx, user, browser, services, 'set-password', 'user', null);
}

async function voidLinks(tx: Queryable, userId: string, purpose: LinkRow['purpose']): Promise<void> {
  const theirs = and(eq(oneTimeLinks.userId, userId), eq(oneTimeLinks.purpose, purpose));
  await tx.delete(oneTimeLinks).where(and(theirs, isNull(oneTimeLinks.usedAt)));
}

function audit(
  tx: Queryable,
  user: Pick<UserRow, 'id' | 'name'>,
  { requestId }: Browser,
  services: Services,
  action: 'create' | 'accept' | 'set-password',
  resourceType: 'user' | 'membership',
  tenantId: string | null,
  after?: object,
): Promise<void> {
  const entry = { action, resourceType, resourceId: user.id, tenantId, ...(after ? { after } : {}) };
  return writeAudit({ db: tx, actor: user, requestId, services }, entry);
}
