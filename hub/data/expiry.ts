import { type SQL, sql } from 'drizzle-orm';
import { type Clock, timestamp } from '../../contexts/base/clock.ts';
import { blame } from '../http/problems.ts';

/**
 * The expiry of a key as it is compared and shown: UTC with milliseconds, null for never, undefined where the
 * request says nothing.
 * @throws ProblemError 400 for a time that is over: to end a key now, revoke it.
 */
export function checkedExpiry(
  text: string | null | undefined,
  clock: Clock,
  pointer = '/expiresAt',
): string | null | undefined {
  if (text === undefined || text === null) return text;
  const ms = Date.parse(text);
  if (!(ms > clock.now()))
    blame('VALIDATION_FAILED', pointer, 'must be in the future; to end a key now, DELETE it');
  return timestamp(ms);
}

/** As the column takes it. */
export function toTimestamp(text: string | null): SQL | null {
  return text === null ? null : sql`${text}::timestamptz`;
}
