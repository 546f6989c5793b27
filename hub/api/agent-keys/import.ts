import { z } from '@hono/zod-openapi';
import { importedKeyId } from '../../../contexts/secrets.ts';
import { writeAudit } from '../../data/audit.ts';
import { checkedExpiry } from '../../data/expiry.ts';
import { agentKeys } from '../../db/schema.ts';
import { idOf } from '../../http/fields.ts';
import { blame } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { AgentKey, requireCluster, toAgentKey } from './agent-key.ts';
import { newKeyFields, newKeyRow } from './new-key.ts';

/** The last of 43 characters carries four bits: one way of writing a hash, or it would be two ids. */
const secretSha256 = z
  .string()
  .regex(
    /^(?:[0-9a-fA-F]{64}|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/,
    'must be a SHA-256: 64 hex digits, or 43 of base64url',
  )
  .overwrite((text) => (text.length === 64 ? Buffer.from(text, 'hex').toString('base64url') : text))
  .openapi({
    description:
      'SHA-256 of the whole secret as agents send it, in UTF-8: 64 hex digits, or 43 characters of base64url. Never the secret itself.',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  });

const body = z
  .strictObject({
    clusterId: idOf('cluster'),
    secretSha256,
    ...newKeyFields,
  })
  .openapi('AgentKeyImport', {
    example: {
      clusterId: 'vci_01k9c0v8w1e4qafk3s7m2t6xhz',
      name: 'agent 7',
      secretSha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      permissions: ['read', 'write'],
    },
  });

export const importAgentKey = defineRoute({
  method: 'POST',
  path: '/v1/agent-keys/import',
  operationId: 'importAgentKey',
  tag: 'agent-keys',
  summary: 'Import an agent key that was made elsewhere',
  description:
    "Agents go on with the secret they have: the hub is told its hash. The key's id follows from the hash, so that the same secret is imported once. Only gateways with `SPOKECAST_IMPORTED_KEYS=looked-up` let it in; rotating the key gives it a secret of the usual form, which all gateways know.",
  operation: 'agent-keys.import',
  body,
  answer: { status: 201, description: 'The key.', schema: AgentKey },
  problems: ['NOT_FOUND', 'SECRET_TAKEN', 'QUOTA_EXCEEDED'],
  async handle(call) {
    const { db, actor, services } = call;
    const { clusterId, secretSha256: verifier } = call.body;
    const expiry = checkedExpiry(call.body.expiresAt, services.clock) ?? null;
    const tenantId = await requireCluster(db, actor, clusterId);

    const id = importedKeyId(verifier);
    const [made] = await db
      .insert(agentKeys)
      .values(newKeyRow(call.body, { id, verifier, clusterId, tenantId, expiry }))
      .onConflictDoNothing({ target: agentKeys.id })
      .returning();
    if (!made) return blame('SECRET_TAKEN', '/secretSha256', `the key ${id} was imported with it`);
    const key = toAgentKey(made);
    await writeAudit(call, {
      action: 'import',
      resourceType: 'agent-key',
      resourceId: id,
      tenantId: key.tenantId,
      after: key,
    });
    return { body: key, representation: key };
  },
});
