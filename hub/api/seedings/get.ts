import { eq } from 'drizzle-orm';
import { seedings } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { Seeding, seedingParams, toSeeding } from './seeding.ts';

export const getSeeding = defineRoute({
  method: 'GET',
  path: '/v1/seedings/{id}',
  operationId: 'getSeeding',
  tag: 'seedings',
  summary: 'Read a seeding: how far it is, and whether the region holds everything',
  operation: 'sweeps.read',
  params: seedingParams,
  answer: { status: 200, description: 'The seeding.', schema: Seeding },
  problems: ['NOT_FOUND'],
  async handle({ db, params }) {
    const [row] = await db.select().from(seedings).where(eq(seedings.id, params.id));
    const seeding = toSeeding(row ?? fail('NOT_FOUND'));
    return { body: seeding, representation: seeding };
  },
});
