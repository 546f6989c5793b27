import { hash } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import { canonicalJson } from '../../contexts/envelope.ts';
import type { Queryable } from '../db/client.ts';
import { idempotencyKeys } from '../db/idempotency-table.ts';
import { fail } from './problems.ts';

/**
 * `Idempotency-Key`: the same POST sent again does nothing again and gets the same answer.
 *
 * The row is inserted in the transaction of what the request does, before it does it. So a request that failed
 * leaves no row and may be repeated; and a duplicate that arrives meanwhile waits at the primary key until the
 * first has committed (then it is answered with that answer) or has failed (then it does the work itself).
 */
export interface IdempotencyClaim {
  applicationKeyId: string;
  key: string;
  requestHash: string;
}

/** What is kept: never a secret. */
export interface KeptAnswer {
  status: number;
  body: unknown;
  etag: string | null;
  /** The fence of the change; null where the answer was kept by a build that had none. */
  fence: string | null;
}

const keyPattern = /^[\x21-\x7e]{1,255}$/;

/** @throws ProblemError 400 where the header's value is no key. */
export function checkIdempotencyKey(key: string): void {
  if (keyPattern.test(key)) return;
  fail('VALIDATION_FAILED', {
    errors: [{ pointer: '', detail: 'idempotency-key must have 1 to 255 visible ASCII characters' }],
  });
}

/** The same for the same request only: method, path and what was read from the body. */
export function requestHash(method: string, path: string, body: unknown): string {
  return hash('sha256', `${method} ${path}\n${canonicalJson(body ?? null)}`, 'base64url');
}

/**
 * Claims the key for this transaction, or gives the answer to repeat.
 * @throws ProblemError 422 where the key came with another request.
 */
export async function claimOrReplay(tx: Queryable, claim: IdempotencyClaim): Promise<KeptAnswer | 'claimed'> {
  const inserted = await tx
    .insert(idempotencyKeys)
    .values({ ...claim, status: 0, body: {} })
    .onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  if (inserted.length > 0) return 'claimed';
  const [kept] = await tx.select().from(idempotencyKeys).where(isRow(claim));
  // Removed by the clean-up between the two statements: as good as never used, but this request must not guess.
  if (!kept) return fail('DATABASE_UNAVAILABLE', { headers: { 'retry-after': '1' } });
  if (kept.requestHash !== claim.requestHash) fail('IDEMPOTENCY_KEY_REUSED');
  const { body, etag, fence = null } = kept.body as Omit<KeptAnswer, 'status'>;
  return { status: kept.status, body, etag, fence };
}

/** The statement that keeps the answer for those who ask again. */
export function keepingAnswer(tx: Queryable, claim: IdempotencyClaim, { status, ...answer }: KeptAnswer) {
  return tx.update(idempotencyKeys).set({ status, body: answer }).where(isRow(claim));
}

/** Removes up to `limit` answers older than that: their keys make new requests from then on. Returns how many. */
export async function removeOldAnswers(db: Queryable, limit: number, hours: number): Promise<number> {
  const removed = await db.execute(sql`
    delete from ${idempotencyKeys} where ctid in (
      select ctid from ${idempotencyKeys}
      where created_at < now() - ${hours} * interval '1 hour' limit ${limit} for update skip locked)
    returning 1`);
  return removed.length;
}

function isRow(claim: IdempotencyClaim) {
  return and(
    eq(idempotencyKeys.applicationKeyId, claim.applicationKeyId),
    eq(idempotencyKeys.key, claim.key),
  );
}
