import { and, eq, isNull, lt, or, sql } from 'drizzle-orm';
import { parseSecret, verifierMatches } from '../../contexts/secrets.ts';
import { loggable } from '../data/errors.ts';
import { applicationKeys } from '../db/application-key-table.ts';
import { fail } from '../http/problems.ts';
import type { Services } from '../services.ts';
import { type Actor, lesserRole } from './actor.ts';
import type { KeyRow } from './key-cache.ts';

export type LoginOutcome =
  | 'valid'
  | 'absent'
  | 'malformed'
  | 'unknown'
  | 'wrong'
  | 'disabled'
  | 'expired'
  /** The person whose key it is may not act there (any more). */
  | 'holder-gone'
  | 'limited';

/**
 * Finds out whose request it is.
 * @throws ProblemError 401 or 429. Only who holds the right secret is told that a key is disabled or expired.
 */
export async function authenticate(
  authorization: string | undefined,
  source: string,
  services: Services,
): Promise<Actor> {
  const { logins, metrics } = services;
  if (authorization === undefined) return refuse('absent', 'Send `authorization: Bearer <application key>`.');
  const secret = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1] ?? '';
  const id = parseSecret('applicationKey', secret);

  let row: KeyRow | undefined;
  if (id !== undefined) {
    const remembered = services.keys.peek(id);
    if (remembered === 'unknown' && logins.lookupWaitMs(source, id) > 0)
      return limited(logins.lookupWaitMs(source, id));
    row = remembered === 'unknown' ? await services.keys.get(id) : remembered;
  }

  const outcome = judge(secret, id, row, services.clock.now());
  if (outcome === 'valid') {
    metrics.logins.inc({ outcome });
    logins.succeeded(source, row!.id);
    noteUse(row!, services);
    const { id, name, userId, role, holderRole, tenantId } = row!;
    return { id, name, userId, role: lesserRole(role, holderRole ?? role), tenantId };
  }
  logins.failed(source, id);
  const waitMs = logins.refusalWaitMs(source, id);
  if (waitMs > 0) return limited(waitMs);
  return refuse(outcome, refusals[outcome]);

  function refuse(why: LoginOutcome, detail: string): never {
    metrics.logins.inc({ outcome: why });
    fail('UNAUTHENTICATED', { detail, headers: { 'www-authenticate': 'Bearer realm="spokecast"' } });
  }

  function limited(ms: number): never {
    metrics.logins.inc({ outcome: 'limited' });
    fail('TOO_MANY_FAILED_LOGINS', { headers: { 'retry-after': String(Math.ceil(ms / 1000)) } });
  }
}

/** Whether the key is still what it was when it was found valid; for what goes on long after that. */
export async function isStillValid(
  actor: Actor,
  { keys, clock }: Pick<Services, 'keys' | 'clock'>,
): Promise<boolean> {
  const row = await keys.get(actor.id);
  if (row?.status !== 'active' || row.holderRole === null || row.tenantId !== actor.tenantId) return false;
  if (lesserRole(row.role, row.holderRole ?? row.role) !== actor.role) return false;
  return row.expiresAt === null || row.expiresAt.getTime() > clock.now();
}

const refusals = {
  malformed: 'This is not an application key: the form or the checksum is wrong.',
  unknown: 'This application key does not exist, or has been revoked.',
  wrong: 'This application key does not exist, or has been revoked.',
  disabled: 'This application key is disabled.',
  expired: 'This application key has expired.',
  'holder-gone': 'The person whose application key this is may not act there any more.',
} as const;

function judge(
  secret: string,
  id: string | undefined,
  row: KeyRow | undefined,
  now: number,
): 'valid' | keyof typeof refusals {
  if (id === undefined) return 'malformed';
  if (!row) return 'unknown';
  if (!verifierMatches(secret, row.verifier)) return 'wrong';
  if (row.status !== 'active') return 'disabled';
  if (row.expiresAt !== null && row.expiresAt.getTime() <= now) return 'expired';
  if (row.holderRole === null) return 'holder-gone';
  return 'valid';
}

/** Writes the time of use down, at most once a minute a key, and never at the request's expense. */
function noteUse(row: KeyRow, { database, keys, log }: Services): void {
  if (!keys.isUseToNote(row.id)) return;
  const { id, lastUsedAt } = applicationKeys;
  const stale = or(isNull(lastUsedAt), lt(lastUsedAt, sql`now() - interval '1 minute'`));
  database.db
    .update(applicationKeys)
    .set({ lastUsedAt: sql`now()`, updatedAt: sql`${applicationKeys.updatedAt}` })
    .where(and(eq(id, row.id), stale))
    .then(undefined, (error) =>
      log.warn({ error: loggable(error) }, 'could not note the use of an application key'),
    );
}
