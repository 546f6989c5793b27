import { z } from '@hono/zod-openapi';
import { and, asc, gt } from 'drizzle-orm';
import { role } from '../../auth/actor.ts';
import { equals } from '../../data/where.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { idOf, keyStatus } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { ApplicationKey, toApplicationKey } from './application-key.ts';

export const listApplicationKeys = defineRoute({
  method: 'GET',
  path: '/v1/application-keys',
  operationId: 'listApplicationKeys',
  tag: 'application-keys',
  summary: 'List application keys, oldest first',
  description: "A tenant's key sees its own tenant's application keys only.",
  operation: 'application-keys.read',
  query: z.strictObject({
    ...pageQuery,
    tenantId: idOf('tenant').optional().openapi({ description: 'Of this tenant.' }),
    userId: idOf('user').optional().openapi({ description: 'Of this person.' }),
    role: role.optional().openapi({ description: 'With this role.' }),
    status: keyStatus.optional().openapi({ description: 'In this status.' }),
  }),
  answer: {
    status: 200,
    description: 'A page of application keys.',
    schema: pageOf('ApplicationKeyPage', ApplicationKey),
  },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('application-keys', query);
    const rows = await db
      .select()
      .from(applicationKeys)
      .where(
        and(
          equals(applicationKeys.tenantId, actor.tenantId ?? undefined),
          equals(applicationKeys.tenantId, query.tenantId),
          equals(applicationKeys.userId, query.userId),
          equals(applicationKeys.role, query.role),
          equals(applicationKeys.status, query.status),
          page.after === undefined ? undefined : gt(applicationKeys.id, page.after),
        ),
      )
      .orderBy(asc(applicationKeys.id))
      .limit(page.limit + 1);
    return { body: pageFrom('application-keys', page, rows, toApplicationKey) };
  },
});
