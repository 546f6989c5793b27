import { defineRoute } from '../../http/route.ts';
import { withPublishing } from './publishing.ts';
import { findRegion, Region, regionParams, toRegion } from './region.ts';

export const getRegion = defineRoute({
  method: 'GET',
  path: '/v1/regions/{id}',
  operationId: 'getRegion',
  tag: 'regions',
  summary: 'Read a region',
  operation: 'regions.read',
  params: regionParams,
  answer: { status: 200, description: 'The region.', schema: Region },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const region = toRegion(await findRegion(db, params.id), actor);
    const [body] = await withPublishing(db, actor, [region]);
    return { body: body!, representation: region };
  },
});
