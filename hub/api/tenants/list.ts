import { z } from '@hono/zod-openapi';
import { and } from 'drizzle-orm';
import { isNamed, searched } from '../../data/search.ts';
import { equals } from '../../data/where.ts';
import { tenants } from '../../db/schema.ts';
import { search } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { Tenant, tenantStatus, toTenant } from './tenant.ts';

export const listTenants = defineRoute({
  method: 'GET',
  path: '/v1/tenants',
  operationId: 'listTenants',
  tag: 'tenants',
  summary: 'List tenants, oldest first',
  description: "A tenant's key sees its own tenant only.",
  operation: 'tenants.read',
  query: z.strictObject({
    ...pageQuery,
    status: tenantStatus.optional(),
    name: z.string().max(120).optional().openapi({ description: 'Exactly this name.' }),
    search: search.optional(),
  }),
  answer: { status: 200, description: 'A page of tenants.', schema: pageOf('TenantPage', Tenant) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('tenants', query);
    const found = searched({ name: tenants.name, id: tenants.id, of: 'tenant' }, query.search, page.after);
    const rows = await db
      .select()
      .from(tenants)
      .where(
        and(
          equals(tenants.id, actor.tenantId ?? undefined),
          equals(tenants.status, query.status),
          isNamed(tenants.name, query.name),
          found.where,
        ),
      )
      .orderBy(...found.order)
      .limit(page.limit + 1);
    return { body: pageFrom('tenants', page, rows, toTenant, found.place) };
  },
});
