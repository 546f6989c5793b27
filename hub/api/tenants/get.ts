import { defineRoute } from '../../http/route.ts';
import { findTenant, Tenant, tenantParams, toTenant } from './tenant.ts';

export const getTenant = defineRoute({
  method: 'GET',
  path: '/v1/tenants/{id}',
  operationId: 'getTenant',
  tag: 'tenants',
  summary: 'Read a tenant',
  operation: 'tenants.read',
  params: tenantParams,
  answer: { status: 200, description: 'The tenant.', schema: Tenant },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const tenant = toTenant(await findTenant(db, actor, params.id));
    return { body: tenant, representation: tenant };
  },
});
