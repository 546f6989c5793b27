import { z } from '@hono/zod-openapi';
import { and, desc, lt } from 'drizzle-orm';
import { equals } from '../../data/where.ts';
import { sweeps } from '../../db/schema.ts';
import { regionId } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { Sweep, sweepColumns, sweepStatus, toSweep } from './sweep.ts';

export const listSweeps = defineRoute({
  method: 'GET',
  path: '/v1/sweeps',
  operationId: 'listSweeps',
  tag: 'sweeps',
  summary: 'List sweeps, latest first',
  operation: 'sweeps.read',
  query: z.strictObject({
    ...pageQuery,
    region: regionId.optional().openapi({ description: 'Of this region.' }),
    status: sweepStatus.optional().openapi({ description: 'In this status.' }),
  }),
  answer: { status: 200, description: 'A page of sweeps.', schema: pageOf('SweepPage', Sweep) },
  problems: [],
  async handle({ db, query }) {
    const page = pageRequest('sweeps', query);
    const rows = await db
      .select(sweepColumns)
      .from(sweeps)
      .where(
        and(
          equals(sweeps.region, query.region),
          equals(sweeps.status, query.status),
          page.after === undefined ? undefined : lt(sweeps.id, page.after),
        ),
      )
      .orderBy(desc(sweeps.id))
      .limit(page.limit + 1);
    return { body: pageFrom('sweeps', page, rows, toSweep) };
  },
});
