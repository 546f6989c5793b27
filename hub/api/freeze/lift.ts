import { defineRoute } from '../../http/route.ts';
import { thaw } from './freeze.ts';

export const liftFreeze = defineRoute({
  method: 'DELETE',
  path: '/v1/freeze',
  operationId: 'liftFreeze',
  tag: 'freeze',
  summary: 'Lift the freeze of all regions',
  description:
    'A sweep of each region then publishes what was not. A region with a freeze of its own stays frozen.',
  operation: 'freezes.write',
  answer: { status: 204, description: 'There is none.' },
  problems: ['PRECONDITION_FAILED'],
  handle: (call) => thaw(call, null),
});
