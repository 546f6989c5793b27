import { writeAudit } from '../../data/audit.ts';
import { defineRoute } from '../../http/route.ts';
import { bringBack, findDeletion, undeleteProblems } from '../deletions/deletion.ts';
import { findTenant, Tenant, tenantParams, toTenant, withUniqueName } from './tenant.ts';

export const undeleteTenant = defineRoute({
  method: 'POST',
  path: '/v1/tenants/{id}/undelete',
  operationId: 'undeleteTenant',
  tag: 'tenants',
  summary: 'Bring back a deleted tenant',
  description:
    'With its application keys and members, and with the clusters and agent keys that were deleted with it: the same ids, the same secrets, the same placements. Gateways let its agents in again within a second. Clusters that were deleted before it stay deleted.',
  operation: 'tenants.write',
  params: tenantParams,
  answer: { status: 200, description: 'The tenant, as it was.', schema: Tenant },
  problems: undeleteProblems,
  async handle(call) {
    const { db, actor, params } = call;
    const deletion = await findDeletion(db, actor, 'tenant', params.id);
    await withUniqueName(deletion.name, () => bringBack(db, deletion));
    const tenant = toTenant(await findTenant(db, actor, params.id));
    await writeAudit(call, {
      action: 'undelete',
      resourceType: 'tenant',
      resourceId: tenant.id,
      tenantId: tenant.id,
      after: { ...tenant, clusters: deletion.clusters, agentKeys: deletion.agentKeys },
    });
    call.afterCommit(() => call.services.keys.clear());
    return { body: tenant, representation: tenant };
  },
});
