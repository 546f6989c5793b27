import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { defineRoute } from '../../http/route.ts';
import { applicationKeyParams, findApplicationKey, toApplicationKey, withoutUse } from './application-key.ts';
import { keepAnOwner, takeTurn } from './last-owner.ts';

export const deleteApplicationKey = defineRoute({
  method: 'DELETE',
  path: '/v1/application-keys/{id}',
  operationId: 'deleteApplicationKey',
  tag: 'application-keys',
  summary: 'Revoke an application key',
  description: 'At once at this hub; within seconds at others that share its database.',
  operation: 'application-keys.write',
  params: applicationKeyParams,
  answer: { status: 204, description: 'It is revoked.' },
  problems: ['NOT_FOUND', 'LAST_OWNER', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    await takeTurn(db);
    const row = await findApplicationKey(db, actor, call.params.id, 'lock');
    const before = withoutUse(toApplicationKey(row));
    checkIfMatch(call.ifMatch, etagOf(before));
    await keepAnOwner(db, { ...before, expires: before.expiresAt !== null }, undefined);
    await db.delete(applicationKeys).where(eq(applicationKeys.id, row.id));
    await writeAudit(call, {
      action: 'delete',
      resourceType: 'application-key',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
    });
    call.afterCommit(() => call.services.keys.clear());
    return {};
  },
});
