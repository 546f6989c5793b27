import { z } from '@hono/zod-openapi';
import { and, asc, gt } from 'drizzle-orm';
import { equals } from '../../data/where.ts';
import { regions } from '../../db/schema.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { withPublishing } from './publishing.ts';
import { Region, regionStatus, toRegion } from './region.ts';

export const listRegions = defineRoute({
  method: 'GET',
  path: '/v1/regions',
  operationId: 'listRegions',
  tag: 'regions',
  summary: 'List regions by id',
  description:
    'For every key: clusters are placed in regions. Where their stores are is for keys of the platform.',
  operation: 'regions.read',
  query: z.strictObject({ ...pageQuery, status: regionStatus.optional() }),
  answer: { status: 200, description: 'A page of regions.', schema: pageOf('RegionPage', Region) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('regions', query);
    const rows = await db
      .select()
      .from(regions)
      .where(
        and(
          equals(regions.status, query.status),
          page.after === undefined ? undefined : gt(regions.id, page.after),
        ),
      )
      .orderBy(asc(regions.id))
      .limit(page.limit + 1);
    const { items, nextCursor } = pageFrom('regions', page, rows, (row) => toRegion(row, actor));
    return { body: { items: await withPublishing(db, actor, items), nextCursor } };
  },
});
