import { z } from '@hono/zod-openapi';
import { type ContextRef, refText } from '../../../contexts/kinds/index.ts';
import { writeAudit } from '../../data/audit.ts';
import { requestRefresh } from '../../db/outbox.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { contextParams, tenantOfContext } from './context.ts';

const Refreshing = z
  .strictObject({
    kind: z.string().openapi({ example: 'agent-key' }),
    key: z.string().openapi({ example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    status: z.literal('requested'),
  })
  .openapi('RefreshRequested');

export const refreshContext = defineRoute({
  method: 'POST',
  path: '/v1/contexts/{kind}/{key}/refresh',
  operationId: 'refreshContext',
  tag: 'contexts',
  summary: 'Publish a context again to every region that holds it',
  description: 'As it is, under the revision it has. A sweep repairs more; this is for one context at once.',
  operation: 'contexts.refresh',
  params: contextParams,
  answer: { status: 202, description: 'A publisher will do it.', schema: Refreshing },
  problems: ['NOT_FOUND'],
  async handle(call) {
    const ref: ContextRef = call.params;
    const tenantId = await tenantOfContext(call.db, call.actor, ref);
    const known = await requestRefresh(call.db, [ref]);
    if (known === 0) fail('NOT_FOUND', 'The hub has never heard of this context.');
    await writeAudit(call, {
      action: 'refresh',
      resourceType: 'context',
      resourceId: refText(ref),
      tenantId,
    });
    return { body: { ...ref, status: 'requested' as const } };
  },
});
