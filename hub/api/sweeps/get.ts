import { eq } from 'drizzle-orm';
import { sweeps } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { Sweep, sweepColumns, sweepParams, toSweep } from './sweep.ts';

export const getSweep = defineRoute({
  method: 'GET',
  path: '/v1/sweeps/{id}',
  operationId: 'getSweep',
  tag: 'sweeps',
  summary: 'Read a sweep: how far it is, and what it found',
  operation: 'sweeps.read',
  params: sweepParams,
  answer: { status: 200, description: 'The sweep.', schema: Sweep },
  problems: ['NOT_FOUND'],
  async handle({ db, params }) {
    const [row] = await db.select(sweepColumns).from(sweeps).where(eq(sweeps.id, params.id));
    const sweep = toSweep(row ?? fail('NOT_FOUND'));
    return { body: sweep, representation: sweep };
  },
});
