import { and, eq, gt, isNotNull, isNull, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Role } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { memberships, users } from '../../db/people-tables.ts';
import { applicationKeys } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import type { ApplicationKeyRow } from './application-key.ts';

/** Arbitrary and ours: changes of application keys and people take turns, so that two owners cannot remove each other. */
export const turnLock = 7_265_310_046;

/** Waits for this transaction's turn to change application keys or people. Called before any row is locked. */
export async function takeTurn(db: Queryable): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(${turnLock})`);
}

type Rights = Pick<ApplicationKeyRow, 'id' | 'role' | 'tenantId' | 'status'> & { expires: boolean };

/**
 * Keeps the platform manageable: whoever takes its owner rights from a key, for good or from some day on, must
 * leave another that has them (until it expires, or without end, respectively). `after` is undefined where the key
 * is deleted.
 * @throws ProblemError 409 where there is no such other.
 */
export async function keepAnOwner(db: Queryable, before: Rights, after: Rights | undefined): Promise<void> {
  if (!isOwner(before)) return;
  const stays = after !== undefined && isOwner(after);
  if (stays && (before.expires || !after.expires)) return;
  const lasting = stays
    ? isNull(applicationKeys.expiresAt)
    : or(isNull(applicationKeys.expiresAt), gt(applicationKeys.expiresAt, sql`now()`));
  if (await hasOwner(db, and(ne(applicationKeys.id, before.id), lasting))) return;
  fail('LAST_OWNER');
}

/**
 * The same for a person, called when the change has been made in this transaction: where they could manage the
 * platform before, somebody still can.
 * @throws ProblemError 409 where nobody is left.
 */
export async function keepAnOwnerBeside(
  db: Queryable,
  {
    row,
    all,
  }: {
    row: { status: string };
    all: readonly { tenantId: string | null; role: Role; acceptedAt: Date | null }[];
  },
): Promise<void> {
  const wasOwner =
    row.status === 'active' &&
    all.some(
      ({ tenantId, role, acceptedAt }) => tenantId === null && role === 'owner' && acceptedAt !== null,
    );
  if (!wasOwner) return;
  const unexpired = or(isNull(applicationKeys.expiresAt), gt(applicationKeys.expiresAt, sql`now()`));
  if (!(await hasOwner(db, unexpired))) fail('LAST_OWNER');
}

/** Whether a person, or one of those keys, can manage the platform. */
async function hasOwner(db: Queryable, keys: SQL | undefined): Promise<boolean> {
  const [key] = await db
    .select({ id: applicationKeys.id })
    .from(applicationKeys)
    .where(
      and(
        eq(applicationKeys.role, 'owner'),
        isNull(applicationKeys.tenantId),
        eq(applicationKeys.status, 'active'),
        keys,
      ),
    )
    .limit(1);
  if (key) return true;
  const [person] = await db
    .select({ id: users.id })
    .from(users)
    .innerJoin(memberships, eq(memberships.userId, users.id))
    .where(
      and(
        isNull(memberships.tenantId),
        eq(memberships.role, 'owner'),
        isNotNull(memberships.acceptedAt),
        eq(users.status, 'active'),
      ),
    )
    .limit(1);
  return person !== undefined;
}

function isOwner(key: Rights): boolean {
  return key.role === 'owner' && key.tenantId === null && key.status === 'active';
}
