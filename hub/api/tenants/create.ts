import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { writeAudit } from '../../data/audit.ts';
import { tenants } from '../../db/schema.ts';
import { name } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import {
  allowedRegions,
  quotaColumns,
  quotasInput,
  residencyOf,
  Tenant,
  toTenant,
  withUniqueName,
} from './tenant.ts';

const body = z
  .strictObject({
    name: name.openapi({ example: 'Acme' }),
    quotas: quotasInput.optional(),
    allowedRegions: allowedRegions.optional(),
  })
  .openapi('TenantCreate', { example: { name: 'Acme', quotas: { clusters: 100 } } });

export const createTenant = defineRoute({
  method: 'POST',
  path: '/v1/tenants',
  operationId: 'createTenant',
  tag: 'tenants',
  summary: 'Create a tenant',
  operation: 'tenants.write',
  body,
  answer: { status: 201, description: 'The tenant, active.', schema: Tenant },
  problems: ['NAME_TAKEN', 'REGION_UNKNOWN'],
  async handle(call) {
    const { clock, random } = call.services;
    const { name, quotas = {} } = call.body;
    const allowedRegions = await residencyOf(call.db, call.body.allowedRegions);
    const id = newId('tenant', clock, random);
    const values = { id, name, allowedRegions, ...quotaColumns(quotas) };
    const [row] = await withUniqueName(values.name, () => call.db.insert(tenants).values(values).returning());
    const tenant = toTenant(row!);
    await writeAudit(call, {
      action: 'create',
      resourceType: 'tenant',
      resourceId: tenant.id,
      tenantId: tenant.id,
      after: tenant,
    });
    return { body: tenant, representation: tenant };
  },
});
