import { defineRoute } from '../../http/route.ts';
import { Freeze, freeze, freezeBody } from '../freeze/freeze.ts';
import { findRegion, regionParams } from './region.ts';

export const freezeRegion = defineRoute({
  method: 'PUT',
  path: '/v1/regions/{id}/freeze',
  operationId: 'freezeRegion',
  tag: 'freeze',
  summary: 'Freeze publishing to one region',
  description: 'As `PUT /v1/freeze`, for this region. Where both are set, the one that stops more holds.',
  operation: 'freezes.write',
  params: regionParams,
  body: freezeBody.optional(),
  answer: { status: 200, description: 'The freeze.', schema: Freeze },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { id } = await findRegion(call.db, call.params.id, 'lock');
    return freeze(call, id);
  },
});
