import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { writeAudit } from '../../data/audit.ts';
import { checkedExpiry } from '../../data/expiry.ts';
import { agentKeys } from '../../db/schema.ts';
import { idOf } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import { AgentKeyCreated, requireCluster, toAgentKey } from './agent-key.ts';
import { newKeyFields, newKeyRow } from './new-key.ts';

const body = z
  .strictObject({
    clusterId: idOf('cluster').openapi({ description: 'The one cluster that it opens.' }),
    ...newKeyFields,
  })
  .openapi('AgentKeyCreate', {
    example: { clusterId: 'vci_01k9c0v8w1e4qafk3s7m2t6xhz', name: 'agent 7', permissions: ['read', 'write'] },
  });

export const createAgentKey = defineRoute({
  method: 'POST',
  path: '/v1/agent-keys',
  operationId: 'createAgentKey',
  tag: 'agent-keys',
  summary: 'Create an agent key',
  description:
    'The answer holds the secret, this once: the hub keeps only a verifier. Every gateway of the cluster knows the key within a second.',
  operation: 'agent-keys.write',
  body,
  answer: { status: 201, description: 'The key with its secret.', schema: AgentKeyCreated },
  problems: ['NOT_FOUND', 'QUOTA_EXCEEDED'],
  async handle(call) {
    const { db, actor, services } = call;
    const { clusterId } = call.body;
    const expiry = checkedExpiry(call.body.expiresAt, services.clock) ?? null;
    const tenantId = await requireCluster(db, actor, clusterId);

    const id = newId('agentKey', services.clock, services.random);
    const secret = newSecret('agentKey', id, services.random);
    const made = { id, verifier: verifierOf(secret), clusterId, tenantId, expiry };
    const [row] = await db.insert(agentKeys).values(newKeyRow(call.body, made)).returning();
    const key = toAgentKey(row!);
    await writeAudit(call, {
      action: 'create',
      resourceType: 'agent-key',
      resourceId: id,
      tenantId: key.tenantId,
      after: key,
    });
    return {
      body: { ...key, secret },
      representation: key,
      replay: { ...key, secretOmitted: true as const },
    };
  },
});
