import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { checkedExpiry, toTimestamp } from '../../data/expiry.ts';
import { rateColumns, secretColumns } from '../../db/agent-key-bounds.ts';
import { agentKeys } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { expiresAt, keyStatus, name } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import {
  AgentKey,
  agentKeyParams,
  allowedNetworks,
  findAgentKey,
  permissions,
  rateLimit,
  toAgentKey,
} from './agent-key.ts';

const body = z
  .strictObject({
    name: name.optional(),
    status: keyStatus.optional(),
    expiresAt: expiresAt.optional(),
    permissions: permissions.optional(),
    allowedNetworks: allowedNetworks.optional(),
    rateLimit: rateLimit.optional(),
  })
  .openapi('AgentKeyUpdate', { example: { status: 'disabled' } });

export const updateAgentKey = defineRoute({
  method: 'PATCH',
  path: '/v1/agent-keys/{id}',
  operationId: 'updateAgentKey',
  tag: 'agent-keys',
  summary: 'Change, disable or enable an agent key',
  operation: 'agent-keys.write',
  params: agentKeyParams,
  body,
  answer: { status: 200, description: 'The key as it is now.', schema: AgentKey },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    const row = await findAgentKey(db, actor, call.params.id, 'lock');
    const before = toAgentKey(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    const { expiresAt: wantedExpiry, ...fields } = call.body;
    const expiry = checkedExpiry(wantedExpiry, call.services.clock);
    const changes = changesOf(before, { ...fields, expiresAt: expiry });
    if (!changes) return { body: before, representation: before };

    const { expiresAt: newExpiry, allowedNetworks: newNetworks, rateLimit: newRate, ...rest } = changes;
    const present = row.restrictedVerifier ?? row.verifier;
    const [changed] = await db
      .update(agentKeys)
      .set({
        ...rest,
        ...(newExpiry === undefined ? {} : { expiresAt: toTimestamp(newExpiry) }),
        ...(newRate === undefined ? {} : rateColumns(newRate)),
        ...(newNetworks === undefined ? {} : secretColumns(present, newNetworks)),
      })
      .where(eq(agentKeys.id, row.id))
      .returning();
    const after = toAgentKey(changed!);
    await writeAudit(call, {
      action: 'update',
      resourceType: 'agent-key',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
      after,
    });
    return { body: after, representation: after };
  },
});
