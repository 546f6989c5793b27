import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { type AuditedCall, writeAudit } from '../../data/audit.ts';
import { toTimestamp } from '../../data/expiry.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { fail } from '../../http/problems.ts';
import { type ApplicationKeyRow, toApplicationKey, withoutUse } from './application-key.ts';
import { holderRole } from './holder.ts';

/** Makes a key, however it was asked for; whether it may be made was checked by the caller. */
export async function makeApplicationKey(
  call: AuditedCall,
  wanted: Pick<ApplicationKeyRow, 'role' | 'name' | 'tenantId' | 'userId'> & { expiresAt: string | null },
): Promise<{ key: ReturnType<typeof toApplicationKey>; secret: string }> {
  const { clock, random } = call.services;
  const id = newId('applicationKey', clock, random);
  const secret = newSecret('applicationKey', id, random);
  const [row] = await call.db
    .insert(applicationKeys)
    .values({
      ...wanted,
      id,
      createdBy: call.actor.id,
      verifier: verifierOf(secret),
      expiresAt: toTimestamp(wanted.expiresAt),
    })
    .returning();
  // By now the person's row is locked against changes, and what was one when it was read may have ended meanwhile.
  if ((await holderRole(call.db, row!)) === null)
    fail('FORBIDDEN', 'You belong no more where the key would work: nothing was made.');
  const key = toApplicationKey(row!);
  await writeAudit(call, {
    action: 'create',
    resourceType: 'application-key',
    resourceId: id,
    tenantId: wanted.tenantId,
    after: withoutUse(key),
  });
  return { key, secret };
}
