import { z } from '@hono/zod-openapi';
import { and, desc, lt } from 'drizzle-orm';
import { equals } from '../../data/where.ts';
import { seedings } from '../../db/schema.ts';
import { regionId } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { Seeding, toSeeding } from './seeding.ts';

export const listSeedings = defineRoute({
  method: 'GET',
  path: '/v1/seedings',
  operationId: 'listSeedings',
  tag: 'seedings',
  summary: 'List seedings, latest first',
  operation: 'sweeps.read',
  query: z.strictObject({
    ...pageQuery,
    region: regionId.optional().openapi({ description: 'Of this region.' }),
  }),
  answer: { status: 200, description: 'A page of seedings.', schema: pageOf('SeedingPage', Seeding) },
  problems: [],
  async handle({ db, query }) {
    const page = pageRequest('seedings', query);
    const rows = await db
      .select()
      .from(seedings)
      .where(
        and(
          equals(seedings.region, query.region),
          page.after === undefined ? undefined : lt(seedings.id, page.after),
        ),
      )
      .orderBy(desc(seedings.id))
      .limit(page.limit + 1);
    return { body: pageFrom('seedings', page, rows, toSeeding) };
  },
});
