import { defineRoute } from '../../http/route.ts';
import { Cluster, clusterParams, findCluster, toCluster } from './cluster.ts';

export const getCluster = defineRoute({
  method: 'GET',
  path: '/v1/clusters/{id}',
  operationId: 'getCluster',
  tag: 'clusters',
  summary: 'Read a cluster',
  operation: 'clusters.read',
  params: clusterParams,
  answer: { status: 200, description: 'The cluster.', schema: Cluster },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const cluster = toCluster(await findCluster(db, actor, params.id));
    return { body: cluster, representation: cluster };
  },
});
