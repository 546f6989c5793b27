import { z } from '@hono/zod-openapi';
import { and, type SQL, sql } from 'drizzle-orm';
import { isId } from '../../../contexts/ids.ts';
import { isNamed, searched } from '../../data/search.ts';
import { equals } from '../../data/where.ts';
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
    const found = searched({ name: clusters.name, id: clusters.id, of: 'cluster' }, query.search, page.after);
    const rows = await db
      .select(clusterColumns)
      .from(clusters)
      .where(
        and(
          equals(clusters.tenantId, actor.tenantId ?? undefined),
          equals(clusters.tenantId, query.tenantId),
          equals(clusters.status, query.status),
          placedIn(query.region, page.after),
          isNamed(clusters.name, query.name),
          found.where,
        ),
      )
      .orderBy(...found.order)
      .limit(page.limit + 1);
    return { body: pageFrom('clusters', page, rows, toCluster, found.place) };
  },
});

/** Said of the placements as well: Postgres does not conclude by itself that these need not be read from the beginning. */
function placedIn(region: string | undefined, after: string | undefined): SQL | undefined {
  if (region === undefined) return undefined;
  const further = after === undefined || !isId('cluster', after) ? sql`` : sql` and p.cluster_id > ${after}`;
  return sql`exists (
    select from placements p where p.cluster_id = "clusters"."id" and p.region = ${region}${further})`;
}
