import { z } from '@hono/zod-openapi';
import { eq, sql } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { clusters } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { name, settings } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import {
  Cluster,
  clusterParams,
  clusterStatus,
  findCluster,
  lockCluster,
  placementList,
  toCluster,
  upstreams,
  upstreamUrl,
  withUniqueName,
} from './cluster.ts';
import { replacePlacements } from './placements.ts';

const body = z
  .strictObject({
    name: name.optional(),
    status: clusterStatus.optional(),
    upstreamUrl: upstreamUrl.optional(),
    upstreams: upstreams
      .nullable()
      .optional()
      .openapi({ description: 'Replaces the list; null for none but `upstreamUrl`.' }),
    settings: settings.optional().openapi({ description: 'Replaces all settings.' }),
    placements: placementList.optional().openapi({
      description: 'Replaces all placements; regions that are not named lose the cluster and its keys.',
    }),
  })
  .openapi('ClusterUpdate', { example: { placements: [{ region: 'eu-west-1' }] } });

export const updateCluster = defineRoute({
  method: 'PATCH',
  path: '/v1/clusters/{id}',
  operationId: 'updateCluster',
  tag: 'clusters',
  summary: 'Change, disable or move a cluster',
  description: 'Only what differs is written. A region that drains keeps the placements it has.',
  operation: 'clusters.write',
  params: clusterParams,
  body,
  answer: { status: 200, description: 'The cluster as it is now.', schema: Cluster },
  problems: [
    'NOT_FOUND',
    'NAME_TAKEN',
    'REGION_UNKNOWN',
    'REGION_NOT_ACTIVE',
    'REGION_NOT_ALLOWED',
    'QUOTA_EXCEEDED',
    'PRECONDITION_FAILED',
  ],
  async handle(call) {
    const { db, actor } = call;
    const row = await lockCluster(db, actor, call.params.id);
    const before = toCluster(row);
    checkIfMatch(call.ifMatch, etagOf(before));

    const { placements, ...fields } = call.body;
    const moved = placements ? await replacePlacements(db, row, placements) : false;
    const changes = changesOf(row, fields);
    if (changes)
      await withUniqueName(fields.name, () =>
        db.update(clusters).set(changes).where(eq(clusters.id, row.id)),
      );
    else if (moved) await db.update(clusters).set({ updatedAt: sql`now()` }).where(eq(clusters.id, row.id));
    else return { body: before, representation: before };

    const after = toCluster(await findCluster(db, actor, row.id));
    await writeAudit(call, {
      action: 'update',
      resourceType: 'cluster',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
      after,
    });
    return { body: after, representation: after };
  },
});
