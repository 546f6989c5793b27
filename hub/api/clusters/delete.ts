import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { clusters } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { defineRoute } from '../../http/route.ts';
import { keepForUndelete } from '../deletions/deletion.ts';
import { clusterParams, lockCluster, toCluster } from './cluster.ts';

export const deleteCluster = defineRoute({
  method: 'DELETE',
  path: '/v1/clusters/{id}',
  operationId: 'deleteCluster',
  tag: 'clusters',
  summary: 'Delete a cluster with its agent keys',
  description:
    'Every gateway refuses its keys within a second; `POST /v1/clusters/{id}/undelete` brings it back with them until the hub purges it (`SPOKECAST_UNDELETE_DAYS`).',
  operation: 'clusters.write',
  params: clusterParams,
  answer: { status: 204, description: 'It is gone, and so are its keys.' },
  problems: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async handle(call) {
    const row = await lockCluster(call.db, call.actor, call.params.id);
    const before = toCluster(row);
    checkIfMatch(call.ifMatch, etagOf(before));
    const { id, name, tenantId } = row;
    await keepForUndelete(call, { resourceType: 'cluster', resourceId: id, name, tenantId });
    await call.db.delete(clusters).where(eq(clusters.id, row.id)); // keys and placements follow by foreign key
    await writeAudit(call, {
      action: 'delete',
      resourceType: 'cluster',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
    });
    return {};
  },
});
