import { defineRoute } from '../../http/route.ts';
import { Freeze, freeze, freezeBody } from './freeze.ts';

export const setFreeze = defineRoute({
  method: 'PUT',
  path: '/v1/freeze',
  operationId: 'setFreeze',
  tag: 'freeze',
  summary: 'Freeze publishing to every region',
  description:
    'Within a second no publisher puts anything into any region, but for what is deleted or turns to deny; with `mode: all`, not that either. Gateways go on with what their regions hold.',
  operation: 'freezes.write',
  body: freezeBody.optional(),
  answer: { status: 200, description: 'The freeze.', schema: Freeze },
  problems: ['PRECONDITION_FAILED'],
  handle: (call) => freeze(call, null),
});
