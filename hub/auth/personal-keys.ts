import { and, desc, eq, type SQL } from 'drizzle-orm';
import { timestamp } from '../../contexts/base/clock.ts';
import {
  type ApplicationKeyRow,
  toApplicationKey,
  withoutUse,
} from '../api/application-keys/application-key.ts';
import { makeApplicationKey } from '../api/application-keys/make.ts';
import { personalDaysMax } from '../api/application-keys/personal-end.ts';
import { writeAudit } from '../data/audit.ts';
import { inTransaction } from '../data/transaction.ts';
import { applicationKeys } from '../db/application-key-table.ts';
import type { Queryable } from '../db/client.ts';
import type { Services } from '../services.ts';
import { type Actor, lesserRole, type Role } from './actor.ts';
import type { Scope, SignedIn } from './sessions.ts';

/** Days for which people may make a key of theirs on a page. */
export const keyDays = [7, 30, 90, personalDaysMax] as const;
/** Keys of one person at the most. */
const keysMax = 100;

export type PersonalKeys = { key: ReturnType<typeof toApplicationKey>; secret: string } | 'too-many';

/** A key that lets programs do what the person may do in that scope, or less. Whatever the role: it is theirs. */
export async function makePersonalKey(
  db: Queryable,
  user: SignedIn['user'],
  wanted: { scope: Pick<Scope, 'tenantId' | 'role'>; role: Role; name: string; days: number },
  requestId: string,
  services: Services,
): Promise<PersonalKeys> {
  if (await hasTooManyKeys(db, user.id)) return 'too-many';
  const { scope, role, name, days } = wanted;
  const expiresAt = timestamp(services.clock.now() + days * 86_400_000);
  const call = { db, actor: user, requestId, services };
  return makeApplicationKey(call, {
    ...{ role: lesserRole(role, scope.role), tenantId: scope.tenantId },
    ...{ name, userId: user.id, expiresAt },
  });
}

/** Whether a person has as many keys as they may. */
export async function hasTooManyKeys(db: Queryable, userId: string): Promise<boolean> {
  return (await personalKeys(db, userId)).length >= keysMax;
}

/** The newest first. */
export function personalKeys(db: Queryable, userId: string): Promise<ApplicationKeyRow[]> {
  return db
    .select()
    .from(applicationKeys)
    .where(eq(applicationKeys.userId, userId))
    .orderBy(desc(applicationKeys.id))
    .limit(keysMax);
}

/** Revokes a key of that person, which the actor (the person, or the key itself) asks for. Others' ids do nothing. */
export async function revokePersonalKey(
  key: { id: string; userId: string },
  actor: Pick<Actor, 'id' | 'name'>,
  requestId: string,
  services: Services,
): Promise<void> {
  await inTransaction(services, (db) =>
    revoke(eq(applicationKeys.id, key.id), key.userId, { db, actor, requestId, services }),
  );
  services.keys.clear();
}

/** Revokes all keys of a person. The caller clears the cache of keys once it has committed. */
export async function revokePersonalKeys(
  db: Queryable,
  user: Pick<Actor, 'id' | 'name'>,
  requestId: string,
  services: Services,
): Promise<void> {
  await revoke(undefined, user.id, { db, actor: user, requestId, services });
}

async function revoke(
  which: SQL | undefined,
  userId: string,
  call: Parameters<typeof writeAudit>[0],
): Promise<void> {
  const gone = await call.db
    .delete(applicationKeys)
    .where(and(which, eq(applicationKeys.userId, userId)))
    .returning();
  for (const row of gone)
    await writeAudit(call, {
      ...{ action: 'delete', resourceType: 'application-key', resourceId: row.id, tenantId: row.tenantId },
      before: withoutUse(toApplicationKey(row)),
    });
}
