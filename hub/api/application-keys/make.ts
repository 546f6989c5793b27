import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { type AuditedCall, writeAudit } from '../../data/audit.ts';
import { toTimestamp } from '../../data/expiry.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { type ApplicationKeyRow, toApplicationKey, withoutUse } from './application-key.ts';

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
