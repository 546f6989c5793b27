import { eq } from 'drizzle-orm';
import { newId } from '../../contexts/ids.ts';
import { takeTurn } from '../api/application-keys/last-owner.ts';
import { email as emailSchema } from '../api/users/user.ts';
import { writeAudit } from '../data/audit.ts';
import { inTransaction } from '../data/transaction.ts';
import { hasEmail } from '../data/where.ts';
import type { Queryable } from '../db/client.ts';
import { memberships, users } from '../db/people-tables.ts';
import { tenants } from '../db/schema.ts';
import { name as nameSchema } from '../http/fields.ts';
import type { Services } from '../services.ts';
import type { Role } from './actor.ts';
import { addIdentity, findByIdentity } from './identities.ts';
import type { Identity } from './oidc.ts';
import { type LinkRow, useUp } from './one-time-links.ts';
import { isStillSignedIn, type SignedIn, scopeKey } from './sessions.ts';
import { type Browser, signInAs, type UserRow } from './sign-in.ts';
import { acceptMemberships, usedUp, type Welcomed } from './welcome.ts';

/** Who may come in by the provider. */
export interface OidcRules {
  /** Domains of verified addresses; empty for any, verified or not. */
  domains: readonly string[];
  /** What somebody whom nobody has invited becomes; undefined lets nobody in uninvited. */
  newPeople: { tenantId: string | null; role: Role } | undefined;
}

export type Admitted =
  | { outcome: 'signed-in'; token: string }
  /** The address is not of a domain that may come in, or is not verified. */
  | { outcome: 'wrong-domain' }
  | { outcome: 'disabled' }
  /** Nobody has invited this person, and strangers are not let in. */
  | { outcome: 'unknown' }
  /** There is an account with this address, which the provider's word alone does not open. */
  | { outcome: 'address-taken' }
  /** The identity opens another account than the one that is invited. */
  | { outcome: 'of-somebody-else' }
  | { outcome: 'link-used-up' };

/**
 * Lets in who the provider says somebody is. An account is known by issuer and subject, never by its address: whoever
 * could have a provider put an address into a token would own the account. Accounts come by their identity from an
 * invitation that nobody has used yet, from the person when signed in, or are made new.
 */
export async function admit(
  identity: Identity,
  invitation: LinkRow | undefined,
  browser: Browser,
  services: Services & { rules: OidcRules },
): Promise<Admitted> {
  const admitted = isOfDomain(identity, services.rules)
    ? await inTransaction(services, (tx) => admitIn(tx, identity, invitation, browser, services))
    : ({ outcome: 'wrong-domain' } as const);
  services.metrics.signIns.inc({ how: 'oidc', outcome: admitted.outcome });
  return admitted;
}

async function admitIn(
  tx: Queryable,
  identity: Identity,
  invitation: LinkRow | undefined,
  browser: Browser,
  services: Services & { rules: OidcRules },
): Promise<Admitted> {
  await takeTurn(tx);
  const user = await findByIdentity(tx, identity);
  if (user && user.status !== 'active') return { outcome: 'disabled' };
  if (invitation) return acceptByIdentity(tx, invitation, { identity, user }, browser, services);
  if (user) return { outcome: 'signed-in', token: await signInAs(tx, user, browser, services) };
  return makeStranger(tx, identity, browser, services);
}

function isOfDomain({ verifiedEmail }: Identity, { domains }: OidcRules): boolean {
  return domains.length === 0 || domains.includes(verifiedEmail?.split('@').at(-1) ?? '');
}

/**
 * Accepts an invitation as who the provider says somebody is: the holder of that identity's account, or, where nobody
 * has used the invited account yet, its holder from now on. An account that is in use is not given an identity here.
 */
async function acceptByIdentity(
  tx: Queryable,
  link: LinkRow,
  { identity, user }: { identity: Identity; user: UserRow | undefined },
  browser: Browser,
  services: Services,
): Promise<Welcomed | { outcome: 'address-taken' | 'of-somebody-else' }> {
  const [invited] = await tx.select().from(users).where(eq(users.id, link.userId!)).for('update');
  if (!invited) return usedUp;
  const isHolder = user?.id === invited.id;
  if (!isHolder && user) return { outcome: 'of-somebody-else' };
  if (!isHolder && invited.status !== 'invited') return { outcome: 'address-taken' };
  if (!(await useUp(tx, link, services))) return usedUp;
  if (!isHolder) {
    const name = nameSchema.safeParse(identity.name).data ?? invited.name;
    await tx.update(users).set({ name, status: 'active' }).where(eq(users.id, invited.id));
    await addIdentity(tx, invited, identity, browser, services);
  }
  await acceptMemberships(tx, link, invited, browser, services);
  const scope = link.scopes[0];
  const wanted = scope === undefined ? undefined : scopeKey(scope);
  return { outcome: 'signed-in', token: await signInAs(tx, invited, browser, services, wanted) };
}

async function makeStranger(
  tx: Queryable,
  identity: Identity,
  browser: Browser,
  services: Services & { rules: OidcRules },
): Promise<Admitted> {
  const { newPeople } = services.rules;
  const email = emailSchema.safeParse(identity.verifiedEmail);
  if (!newPeople || !email.success) return { outcome: 'unknown' };
  const [there] = await tx.select({ id: users.id }).from(users).where(hasEmail(email.data));
  if (there) return { outcome: 'address-taken' };
  if (newPeople.tenantId !== null) {
    const inTenant = eq(tenants.id, newPeople.tenantId);
    const [tenant] = await tx.select({ id: tenants.id }).from(tenants).where(inTenant).for('key share');
    if (!tenant) return { outcome: 'unknown' };
  }
  const id = newId('user', services.clock, services.random);
  const name = nameSchema.safeParse(identity.name).data ?? email.data.slice(0, 120);
  const values = { id, email: email.data, name, status: 'active' as const };
  const [user] = await tx.insert(users).values(values).returning();
  const acceptedAt = new Date(services.clock.now());
  await tx.insert(memberships).values({ userId: id, ...newPeople, acceptedAt });
  const call = { db: tx, actor: user!, requestId: browser.requestId, services };
  await writeAudit(call, {
    ...{ action: 'create', resourceType: 'user', resourceId: id, tenantId: null },
    after: { ...values, issuer: identity.issuer },
  });
  await writeAudit(call, {
    ...{ action: 'create', resourceType: 'membership', resourceId: id, tenantId: newPeople.tenantId },
    after: { email: email.data, ...newPeople, status: 'active' },
  });
  await addIdentity(tx, user!, identity, browser, services);
  return { outcome: 'signed-in', token: await signInAs(tx, user!, browser, services) };
}

/** Gives a person who is signed in the identity they came back with. */
export async function linkIdentity(
  person: SignedIn,
  identity: Identity,
  browser: Browser,
  services: Services & { rules: OidcRules },
): Promise<'linked' | 'of-somebody-else' | 'wrong-domain' | 'signed-out'> {
  if (!isOfDomain(identity, services.rules)) return 'wrong-domain';
  const { user } = person;
  return inTransaction(services, async (tx) => {
    await takeTurn(tx);
    if (!(await isStillSignedIn(tx, person))) return 'signed-out';
    const there = await findByIdentity(tx, identity);
    if (there) return there.id === user.id ? 'linked' : 'of-somebody-else';
    await addIdentity(tx, user, identity, browser, services);
    return 'linked';
  });
}
