import { writeAudit } from '../../data/audit.ts';
import { defineRoute } from '../../http/route.ts';
import { bringBack, findDeletion, undeleteProblems } from '../deletions/deletion.ts';
import { requireTenant } from '../tenants/tenant.ts';
import { Cluster, clusterParams, findCluster, toCluster, withUniqueName } from './cluster.ts';

export const undeleteCluster = defineRoute({
  method: 'POST',
  path: '/v1/clusters/{id}/undelete',
  operationId: 'undeleteCluster',
  tag: 'clusters',
  summary: 'Bring back a deleted cluster with its agent keys',
  description:
    'The same ids, the same secrets, the same placements. Gateways let its agents in again within a second. A cluster that was deleted with its tenant comes back with that.',
  operation: 'clusters.write',
  params: clusterParams,
  answer: { status: 200, description: 'The cluster, as it was.', schema: Cluster },
  problems: undeleteProblems,
  async handle(call) {
    const { db, actor, params } = call;
    const deletion = await findDeletion(db, actor, 'cluster', params.id);
    await requireTenant(db, actor, deletion.tenantId, '/tenantId');
    await withUniqueName(deletion.name, () => bringBack(db, deletion));
    const cluster = toCluster(await findCluster(db, actor, params.id));
    await writeAudit(call, {
      action: 'undelete',
      resourceType: 'cluster',
      resourceId: cluster.id,
      tenantId: cluster.tenantId,
      after: { ...cluster, agentKeys: deletion.agentKeys },
    });
    return { body: cluster, representation: cluster };
  },
});
