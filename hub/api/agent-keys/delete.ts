import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { agentKeys } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { defineRoute } from '../../http/route.ts';
import { agentKeyParams, findAgentKey, toAgentKey } from './agent-key.ts';

export const deleteAgentKey = defineRoute({
  method: 'DELETE',
  path: '/v1/agent-keys/{id}',
  operationId: 'deleteAgentKey',
  tag: 'agent-keys',
  summary: 'Revoke an agent key',
  description:
    'Every gateway refuses it within a second. There is no way back: the id is never used again, unless the secret was imported and is imported once more.',
  operation: 'agent-keys.write',
  params: agentKeyParams,
  answer: { status: 204, description: 'It is revoked.' },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async handle(call) {
    const row = await findAgentKey(call.db, call.actor, call.params.id, 'lock');
    const before = toAgentKey(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    await call.db.delete(agentKeys).where(eq(agentKeys.id, row.id));
    await writeAudit(call, {
      action: 'delete',
      resourceType: 'agent-key',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
    });
    return {};
  },
});
