import { z } from '@hono/zod-openapi';
import { latestFences, readFences } from '../../db/fences.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { Fence, toFence } from './fence.ts';

export const FenceOfList = z
  .strictObject({
    ...Fence.shape,
    contexts: z
      .array(z.string())
      .nullable()
      .openapi({
        description: 'What it changed, as `kind/key`; null where there are many, or others follow them.',
        example: ['cluster/vci_01k9c0v8w1e4qafk3s7m2t6xhz'],
      }),
  })
  .openapi('FenceOfList');

export const listFences = defineRoute({
  method: 'GET',
  path: '/v1/fences',
  operationId: 'listFences',
  tag: 'fences',
  summary: 'List the changes of the last day that concern a region, latest first',
  description: "Each with how far it has come. A tenant's key sees the fences of its tenant's keys.",
  operation: 'fences.read',
  query: z.strictObject(pageQuery),
  answer: { status: 200, description: 'A page of fences.', schema: pageOf('FencePage', FenceOfList) },
  problems: [],
  async handle({ actor, db, query, services }) {
    const page = pageRequest('fences', { limit: 20, ...query });
    const ids = await latestFences(db, {
      tenantId: actor.tenantId,
      before: page.after,
      limit: page.limit + 1,
    });
    const rows = await readFences(db, ids);
    return {
      body: pageFrom('fences', page, rows, (row) => ({
        ...toFence(row, actor, services.gatewayForgetMs),
        contexts: row.contexts,
      })),
    };
  },
});
