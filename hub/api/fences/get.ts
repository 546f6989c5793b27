import { z } from '@hono/zod-openapi';
import { sees } from '../../access.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { timeoutMs, waitMsMax } from '../../http/waiting.ts';
import { Fence, fenceParams, toFence } from './fence.ts';

export const getFence = defineRoute({
  method: 'GET',
  path: '/v1/fences/{id}',
  operationId: 'getFence',
  tag: 'fences',
  summary: 'See how far a change has come, or wait until it is everywhere',
  description:
    "The id is what the change's answer carried as `spokecast-fence`; it is known for a day. The answer comes as soon as every gateway of every region concerned has seen the change, and at the timeout with who has not and why. A tenant's key sees the fences of its tenant's keys.",
  operation: 'fences.read',
  params: fenceParams,
  query: z.strictObject({
    timeoutMs: timeoutMs.openapi({
      type: 'integer',
      minimum: 0,
      maximum: waitMsMax,
      default: 0,
      description: 'Milliseconds to wait at the most.',
    }),
  }),
  answer: { status: 200, description: 'How far it is, complete or not.', schema: Fence },
  problems: ['NOT_FOUND'],
  async handle({ actor, params, query, services }) {
    const { waits, gatewayForgetMs } = services;
    const found = (await waits.until(params.id, 0)) ?? fail('NOT_FOUND');
    if (!sees(actor, found.tenantId)) fail('NOT_FOUND');
    const { timeoutMs = 0 } = query;
    if (timeoutMs === 0) return { body: toFence(found, actor, gatewayForgetMs) };
    const place = waits.reserve(actor);
    return {
      body: toFence(found, actor, gatewayForgetMs),
      abandon: () => place[Symbol.dispose](),
      afterwards: async () => {
        using _place = place;
        return toFence((await waits.until(params.id, timeoutMs)) ?? found, actor, gatewayForgetMs);
      },
    };
  },
});
