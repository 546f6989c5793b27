import { and, asc, desc, eq, gt, inArray, isNotNull, lt, ne } from 'drizzle-orm';
import { newId } from '../../contexts/ids.ts';
import { loggable } from '../data/errors.ts';
import type { Queryable } from '../db/client.ts';
import { trimGuesses } from '../db/guesses.ts';
import { memberships, oneTimeLinks, sessions, users } from '../db/people-tables.ts';
import { tenants } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { Actor, Role } from './actor.ts';
import { tokenFromCookie } from './session-cookie.ts';
import { siteOf } from './site.ts';
import { hashOfToken, newToken } from './tokens.ts';

/** Where a person may act, and as what. */
export interface Scope {
  /** Null for the platform. */
  tenantId: string | null;
  name: string;
  role: Role;
}

export interface Session {
  id: string;
  /** What was chosen, as {@link scopeKey} has it; null where there was nothing to choose yet. */
  scope: string | null;
  createdAt: Date;
  lastSeenAt: Date;
  idleUntil: Date;
  expiresAt: Date;
  /** The network it was begun from. */
  source: string;
  userAgent: string;
}

/** A person whose browser is signed in. */
export interface SignedIn {
  user: { id: string; email: string; name: string };
  session: Session;
  /** Everything the person belongs to, the platform first, then tenants by name. */
  scopes: readonly Scope[];
  /**
   * The one chosen; null for who belongs to nothing, or no more to what was chosen. It is then for the person to choose
   * anew: what was meant for one place must not be done at another.
   */
  scope: Scope | null;
  /** Who acts in that scope; null where there is none. */
  actor: Actor | null;
}

/** Sessions of one person at the most; beginning another ends the one that has gone unused for longest. */
const sessionsMax = 50;
/** A session's use is written down this often at the most. */
const noteEveryMs = 60_000;

/**
 * The person a request's cookie stands for, with the actor for the scope that was chosen in this session. Undefined
 * where nobody is signed in. Asked of the database each time: what another hub ended, or `psql`, is over at once.
 *
 * It proves who, not that the person meant it: for that see `isFromOwnPages`.
 */
export async function signedIn(request: Request, services: Services): Promise<SignedIn | undefined> {
  const site = siteOf(request, services.people.publicUrl);
  const token = site && tokenFromCookie(request, site);
  if (token === undefined) return undefined;
  const { db } = services.database;
  const now = new Date(services.clock.now());
  const rows = await db
    .select({ session: sessions, user: users, membership: memberships, tenantName: tenants.name })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(memberships, and(eq(memberships.userId, users.id), isNotNull(memberships.acceptedAt)))
    .leftJoin(tenants, eq(tenants.id, memberships.tenantId))
    .where(
      and(
        eq(sessions.tokenHash, hashOfToken(token)),
        eq(users.status, 'active'),
        gt(sessions.idleUntil, now),
        gt(sessions.expiresAt, now),
      ),
    );
  const first = rows[0];
  if (!first) return undefined;
  const { user, session } = first;
  await noteUse(session, now, services);

  const scopes = rows
    .flatMap(({ membership, tenantName }) =>
      membership === null
        ? []
        : [{ tenantId: membership.tenantId, name: tenantName ?? 'the platform', role: membership.role }],
    )
    .sort((a, b) => Number(a.tenantId !== null) - Number(b.tenantId !== null) || byName(a, b));
  const chosen = scopes.find((one) => scopeKey(one.tenantId) === session.scope);
  const scope = (session.scope === null ? scopes[0] : chosen) ?? null;
  const { id, email, name } = user;
  return {
    user: { id, email, name },
    session,
    scopes,
    scope,
    actor: scope && {
      ...{ id, userId: id, name, role: scope.role, tenantId: scope.tenantId },
      signedInAtMs: session.createdAt.getTime(),
    },
  };
}

/** For how long somebody counts as having just signed in. */
const recentlyMs = 10 * 60_000;

/**
 * Whether who signed in then is still taken for the holder of the account, in what outlasts the session: a browser that
 * was left open, or a cookie that was found, may be in other hands by now.
 */
export function signedInLately(signedInAtMs: number, { clock }: Pick<Services, 'clock'>): boolean {
  return clock.now() - signedInAtMs <= recentlyMs;
}

function byName(a: Scope, b: Scope): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Why who is signed in can do nothing here. */
export function whyNowhere({ scopes }: Pick<SignedIn, 'scopes'>): string {
  return scopes.length === 0
    ? 'You belong to no tenant and not to the platform.'
    : 'You belong no more to where you acted. Choose where you act now, at /account.';
}

/** As the column and a form's field hold a scope. */
export function scopeKey(tenantId: string | null): string {
  return tenantId ?? 'platform';
}

/** Moves the idle bound on, once a minute at the most, and never at the request's expense. */
async function noteUse(session: Session, now: Date, { database, people, log }: Services): Promise<void> {
  const unnotedMs = now.getTime() - session.lastSeenAt.getTime();
  if (unnotedMs < Math.min(noteEveryMs, people.sessionIdleMs / 10)) return;
  try {
    await database.db
      .update(sessions)
      .set({ lastSeenAt: now, idleUntil: new Date(now.getTime() + people.sessionIdleMs) })
      .where(and(eq(sessions.id, session.id), lt(sessions.lastSeenAt, now)));
  } catch (error) {
    log.warn({ error: loggable(error) }, 'could not note the use of a session');
  }
}

/**
 * Begins a session and ends the one that the browser had, if any: what a browser is given at sign-in is always new, so
 * that nobody can have put it there. Returns the token, which is kept nowhere.
 */
export async function beginSession(
  db: Queryable,
  userId: string,
  from: { replaces: string | undefined; scope?: string | null; source: string; userAgent: string },
  { clock, random, people }: Pick<Services, 'clock' | 'random' | 'people'>,
): Promise<string> {
  if (from.replaces !== undefined)
    await db.delete(sessions).where(eq(sessions.tokenHash, hashOfToken(from.replaces)));
  const kept = db
    .select({ id: sessions.id })
    .from(sessions)
    .where(eq(sessions.userId, userId))
    .orderBy(desc(sessions.lastSeenAt))
    .offset(sessionsMax - 1);
  await db.delete(sessions).where(inArray(sessions.id, kept));
  const token = newToken(random);
  const now = clock.now();
  await db.insert(sessions).values({
    id: newId('session', clock, random),
    tokenHash: hashOfToken(token),
    userId,
    scope: from.scope ?? (await firstScope(db, userId)),
    createdAt: new Date(now),
    lastSeenAt: new Date(now),
    idleUntil: new Date(now + people.sessionIdleMs),
    expiresAt: new Date(now + people.sessionMs),
    source: from.source,
    userAgent: from.userAgent,
  });
  return token;
}

/** Where a person acts who has not chosen: written down, so that it stays that one when others come or go. */
async function firstScope(db: Queryable, userId: string): Promise<string | null> {
  const [first] = await db
    .select({ tenantId: memberships.tenantId })
    .from(memberships)
    .leftJoin(tenants, eq(tenants.id, memberships.tenantId))
    .where(and(eq(memberships.userId, userId), isNotNull(memberships.acceptedAt)))
    .orderBy(isNotNull(memberships.tenantId), asc(tenants.name))
    .limit(1);
  return first ? scopeKey(first.tenantId) : null;
}

/** The live sessions of a person, the last used first. */
export async function sessionsOf(
  db: Queryable,
  userId: string,
  { clock }: Pick<Services, 'clock'>,
): Promise<Session[]> {
  const now = new Date(clock.now());
  return db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), gt(sessions.idleUntil, now), gt(sessions.expiresAt, now)))
    .orderBy(desc(sessions.lastSeenAt), asc(sessions.id));
}

/** Ends one session of a person. Others' ids do nothing. */
export async function endSession(db: Queryable, userId: string, id: string): Promise<void> {
  await db.delete(sessions).where(and(eq(sessions.userId, userId), eq(sessions.id, id)));
}

/** Signs a person out everywhere, but for one session where that is to stay. */
export async function endSessions(db: Queryable, userId: string, but?: string): Promise<void> {
  await db
    .delete(sessions)
    .where(and(eq(sessions.userId, userId), but === undefined ? undefined : ne(sessions.id, but)));
}

/** Remembers the scope that a person wants to act in from now on, in this session. */
export async function chooseScope(
  db: Queryable,
  { session, scopes }: Pick<SignedIn, 'session' | 'scopes'>,
  wanted: string,
): Promise<'chosen' | 'no-such-scope'> {
  if (!scopes.some(({ tenantId }) => scopeKey(tenantId) === wanted)) return 'no-such-scope';
  await db.update(sessions).set({ scope: wanted }).where(eq(sessions.id, session.id));
  return 'chosen';
}

/**
 * Whether that session is still there, in the transaction of what its person does by it. Who takes the account out of
 * their hands locks the account first: it comes before this, and the session is gone, or after what is done here.
 */
export async function isStillSignedIn(tx: Queryable, { user, session }: SignedIn): Promise<boolean> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, user.id)).for('key share');
  const [found] = await tx.select({ id: sessions.id }).from(sessions).where(eq(sessions.id, session.id));
  return found !== undefined;
}

/** Removes sessions that are over, links that are long useless and guesses that count no more. Run now and then; nothing depends on it. */
export async function removeEnded(db: Queryable, now: number): Promise<void> {
  await db.delete(sessions).where(lt(sessions.idleUntil, new Date(now)));
  await db.delete(sessions).where(lt(sessions.expiresAt, new Date(now)));
  await db.delete(oneTimeLinks).where(lt(oneTimeLinks.expiresAt, new Date(now - 86_400_000)));
  await trimGuesses(db, now);
}
