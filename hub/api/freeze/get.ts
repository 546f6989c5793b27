import { z } from '@hono/zod-openapi';
import { readFreezes } from '../../db/freezes.ts';
import { defineRoute } from '../../http/route.ts';
import { Freeze, toFreeze } from './freeze.ts';

export const Freezes = z
  .strictObject({
    everywhere: z
      .union([Freeze, z.null()])
      .openapi({ description: 'The freeze of all regions, if they are frozen.', example: null }),
    regions: z.array(Freeze).openapi({ description: 'Those that have a freeze of their own, by id.' }),
  })
  .openapi('Freezes');

export const getFreeze = defineRoute({
  method: 'GET',
  path: '/v1/freeze',
  operationId: 'getFreeze',
  tag: 'freeze',
  summary: 'See what is frozen',
  operation: 'freezes.read',
  answer: {
    status: 200,
    description: 'The freeze of all regions, and those of single ones.',
    schema: Freezes,
  },
  problems: [],
  async handle({ db }) {
    const all = (await readFreezes(db)).map(toFreeze);
    return {
      body: {
        everywhere: all.find(({ region }) => region === null) ?? null,
        regions: all.filter(({ region }) => region !== null),
      },
    };
  },
});
