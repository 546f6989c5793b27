import { z } from '@hono/zod-openapi';
import { count, eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { clusters, tenants } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { keepForUndelete } from '../deletions/deletion.ts';
import { findTenant, tenantParams, toTenant } from './tenant.ts';

export const deleteTenant = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/{id}',
  operationId: 'deleteTenant',
  tag: 'tenants',
  summary: 'Delete a tenant',
  description:
    'Its application keys go with it. Its clusters and their agent keys do so only with `cascade=true`. Every gateway refuses them within a second; `POST /v1/tenants/{id}/undelete` brings all of it back until the hub purges it (`SPOKECAST_UNDELETE_DAYS`).',
  operation: 'tenants.write',
  params: tenantParams,
  query: z.strictObject({
    cascade: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .openapi({ description: 'Delete its clusters and their keys too.' }),
  }),
  answer: { status: 204, description: 'It is gone.' },
  problems: ['NOT_FOUND', 'TENANT_HAS_CLUSTERS', 'PRECONDITION_FAILED'],
  async handle(call) {
    // The lock also keeps clusters from being added meanwhile: their foreign key waits for it.
    const row = await findTenant(call.db, call.actor, call.params.id, 'lock');
    const before = toTenant(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    const [held] = await call.db
      .select({ clusters: count() })
      .from(clusters)
      .where(eq(clusters.tenantId, row.id));
    if (held!.clusters > 0 && call.query.cascade !== 'true') {
      fail(
        'TENANT_HAS_CLUSTERS',
        `It has ${held!.clusters}. Delete them first, or add ?cascade=true to delete them and their keys too.`,
      );
    }
    const { id, name } = row;
    await keepForUndelete(call, { resourceType: 'tenant', resourceId: id, name, tenantId: id });
    await call.db.delete(tenants).where(eq(tenants.id, row.id));
    await writeAudit(call, {
      action: 'delete',
      resourceType: 'tenant',
      resourceId: row.id,
      tenantId: row.id,
      before: { ...before, clusters: held!.clusters },
    });
    call.afterCommit(() => call.services.keys.clear());
    return {};
  },
});
