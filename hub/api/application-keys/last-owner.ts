import { and, eq, gt, isNull, ne, or, sql } from 'drizzle-orm';
import type { Queryable } from '../../db/client.ts';
import { applicationKeys } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import type { ApplicationKeyRow } from './application-key.ts';

/** Arbitrary and ours: changes of application keys take turns, so that two owners cannot remove each other at once. */
export const turnLock = 7_265_310_046;

/** Waits for this transaction's turn to change application keys. Called before any row is locked. */
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
  const [other] = await db
    .select({ id: applicationKeys.id })
    .from(applicationKeys)
    .where(
      and(
        ne(applicationKeys.id, before.id),
        eq(applicationKeys.role, 'owner'),
        isNull(applicationKeys.tenantId),
        eq(applicationKeys.status, 'active'),
        lasting,
      ),
    )
    .limit(1);
  if (!other) fail('LAST_OWNER');
}

function isOwner(key: Rights): boolean {
  return key.role === 'owner' && key.tenantId === null && key.status === 'active';
}
