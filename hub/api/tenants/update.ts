import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { tenants } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { name } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import {
  allowedRegions,
  findTenant,
  quotaColumns,
  quotasInput,
  residencyOf,
  Tenant,
  tenantParams,
  tenantStatus,
  toTenant,
  withUniqueName,
} from './tenant.ts';

const body = z
  .strictObject({
    name: name.optional(),
    status: tenantStatus.optional(),
    quotas: quotasInput.optional(),
    allowedRegions: allowedRegions.optional(),
  })
  .openapi('TenantUpdate', { example: { status: 'suspended' } });

export const updateTenant = defineRoute({
  method: 'PATCH',
  path: '/v1/tenants/{id}',
  operationId: 'updateTenant',
  tag: 'tenants',
  summary: 'Rename, suspend or reactivate a tenant, bound it to quotas or regions',
  operation: 'tenants.write',
  params: tenantParams,
  body,
  answer: { status: 200, description: 'The tenant as it is now.', schema: Tenant },
  problems: ['NOT_FOUND', 'NAME_TAKEN', 'REGION_UNKNOWN', 'RESIDENCY_IN_USE', 'PRECONDITION_FAILED'],
  async handle(call) {
    const row = await findTenant(call.db, call.actor, call.params.id, 'lock');
    const before = toTenant(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    const { quotas, ...fields } = call.body;
    const allowedRegions = await residencyOf(call.db, fields.allowedRegions);
    const changes = changesOf(row, { ...fields, allowedRegions, ...quotaColumns(quotas ?? {}) });
    if (!changes) return { body: before, representation: before };

    const [changed] = await withUniqueName(call.body.name, () =>
      call.db.update(tenants).set(changes).where(eq(tenants.id, row.id)).returning(),
    );
    const after = toTenant(changed!);
    await writeAudit(call, {
      action: 'update',
      resourceType: 'tenant',
      resourceId: row.id,
      tenantId: row.id,
      before,
      after,
    });
    return { body: after, representation: after };
  },
});
