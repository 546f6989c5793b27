import { z } from '@hono/zod-openapi';
import { and, asc, gt } from 'drizzle-orm';
import { equals } from '../../data/where.ts';
import { deletions } from '../../db/deletion-tables.ts';
import { idOf } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { DeletionView, toDeletion } from './deletion.ts';

export const listDeletions = defineRoute({
  method: 'GET',
  path: '/v1/deletions',
  operationId: 'listDeletions',
  tag: 'deletions',
  summary: 'List what can be undeleted, oldest deletion first',
  description:
    "Tenants and clusters that were deleted through the API, until they are purged. A tenant's key sees its own tenant's only.",
  operation: 'deletions.read',
  query: z.strictObject({
    ...pageQuery,
    tenantId: idOf('tenant').optional().openapi({ description: 'Of this tenant.' }),
  }),
  answer: { status: 200, description: 'A page of deletions.', schema: pageOf('DeletionPage', DeletionView) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('deletions', query);
    const rows = await db
      .select()
      .from(deletions)
      .where(
        and(
          equals(deletions.tenantId, actor.tenantId ?? undefined),
          equals(deletions.tenantId, query.tenantId),
          page.after === undefined ? undefined : gt(deletions.id, page.after),
        ),
      )
      .orderBy(asc(deletions.id))
      .limit(page.limit + 1);
    return { body: pageFrom('deletions', page, rows, toDeletion) };
  },
});
