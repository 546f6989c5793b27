import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { writeAudit } from '../../data/audit.ts';
import { retiringAfter, retiringMax, secretColumns } from '../../db/agent-key-bounds.ts';
import { agentKeys } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { AgentKeyCreated, agentKeyParams, findAgentKey, toAgentKey } from './agent-key.ts';

const graceSecondsDefault = 86_400;
const graceSecondsMax = 30 * 86_400;

const body = z
  .strictObject({
    graceSeconds: z
      .int('must be a whole number')
      .min(0, 'must not be negative')
      .max(graceSecondsMax, `must be at most ${graceSecondsMax} (30 days)`)
      .optional()
      .openapi({
        description: `How long the secrets before the new one go on working, each no longer than it would have. 0 ends them all at once. By default ${graceSecondsDefault}, a day; at most ${graceSecondsMax}, 30 days.`,
      }),
  })
  .openapi('AgentKeyRotation', { example: { graceSeconds: 3600 } });

export const rotateAgentKey = defineRoute({
  method: 'POST',
  path: '/v1/agent-keys/{id}/rotate',
  operationId: 'rotateAgentKey',
  tag: 'agent-keys',
  summary: 'Give an agent key a new secret',
  description: `The answer holds the new secret, this once. The secrets before it work until their grace is over, to the second and without anything being pushed; all of them end with the key. Up to ${retiringMax} may be ending at a time.`,
  operation: 'agent-keys.write',
  params: agentKeyParams,
  body: body.optional(),
  answer: { status: 200, description: 'The key with its new secret.', schema: AgentKeyCreated },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED', 'TOO_MANY_SECRETS'],
  async handle(call) {
    const { clock, random } = call.services;
    const { graceSeconds = graceSecondsDefault } = call.body ?? {};
    const row = await findAgentKey(call.db, call.actor, call.params.id, 'lock');
    const before = toAgentKey(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    const nowMs = clock.now();
    const retiring = retiringAfter(row, nowMs, nowMs + graceSeconds * 1000);
    if (retiring === 'too-many') return fail('TOO_MANY_SECRETS');
    const secret = newSecret('agentKey', row.id, random);
    const [rotated] = await call.db
      .update(agentKeys)
      .set({ ...secretColumns(verifierOf(secret), row.allowedNetworks), retiring })
      .where(eq(agentKeys.id, row.id))
      .returning();
    const after = toAgentKey(rotated!);
    await writeAudit(call, {
      action: 'rotate',
      resourceType: 'agent-key',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
      after,
    });
    return {
      body: { ...after, secret },
      representation: after,
      replay: { ...after, secretOmitted: true as const },
    };
  },
});
