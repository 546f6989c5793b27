import { defineRoute } from '../../http/route.ts';
import { thaw } from '../freeze/freeze.ts';
import { findRegion, regionParams } from './region.ts';

export const unfreezeRegion = defineRoute({
  method: 'DELETE',
  path: '/v1/regions/{id}/freeze',
  operationId: 'unfreezeRegion',
  tag: 'freeze',
  summary: "Lift a region's own freeze",
  description: 'A sweep then publishes what was not, unless all regions are frozen.',
  operation: 'freezes.write',
  params: regionParams,
  answer: { status: 204, description: 'It has none of its own.' },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { id } = await findRegion(call.db, call.params.id, 'lock');
    return thaw(call, id);
  },
});
