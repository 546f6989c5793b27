import { z } from '@hono/zod-openapi';
import { and, asc, gt, sql } from 'drizzle-orm';
import { beginsOrIs, equals } from '../../data/where.ts';
import { clusters } from '../../db/schema.ts';
import { idOf, regionId, search } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { Cluster, clusterColumns, clusterStatus, toCluster } from './cluster.ts';

export const listClusters = defineRoute({
  method: 'GET',
  path: '/v1/clusters',
  operationId: 'listClusters',
  tag: 'clusters',
  summary: 'List clusters, oldest first',
  description: "A tenant's key sees its own tenant's clusters only.",
  operation: 'clusters.read',
  query: z.strictObject({
    ...pageQuery,
    tenantId: idOf('tenant').optional().openapi({ description: 'Of this tenant.' }),
    status: clusterStatus.optional(),
    region: regionId.optional().openapi({ description: 'Placed in this region.' }),
    name: z.string().max(120).optional().openapi({ description: 'Exactly this name.' }),
    search: search.optional(),
  }),
  answer: { status: 200, description: 'A page of clusters.', schema: pageOf('ClusterPage', Cluster) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('clusters', query);
    const rows = await db
      .select(clusterColumns)
      .from(clusters)
      .where(
        and(
          equals(clusters.tenantId, actor.tenantId ?? undefined),
          equals(clusters.tenantId, query.tenantId),
          equals(clusters.status, query.status),
          query.region === undefined
            ? undefined
            : sql`exists (select from placements p where p.cluster_id = "clusters"."id" and p.region = ${query.region})`,
          equals(clusters.name, query.name),
          beginsOrIs(clusters.name, clusters.id, query.search),
          page.after === undefined ? undefined : gt(clusters.id, page.after),
        ),
      )
      .orderBy(asc(clusters.id))
      .limit(page.limit + 1);
    return { body: pageFrom('clusters', page, rows, toCluster) };
  },
});
