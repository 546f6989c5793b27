import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { writeAudit } from '../../data/audit.ts';
import { clusters } from '../../db/schema.ts';
import { idOf, name, settings } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import { requireTenant } from '../tenants/tenant.ts';
import { Cluster, placementList, toCluster, upstreams, upstreamUrl, withUniqueName } from './cluster.ts';
import { checkRegions, placeCluster } from './placements.ts';

const body = z
  .strictObject({
    tenantId: idOf('tenant').openapi({ description: 'Whose cluster it is.' }),
    name: name.openapi({ example: 'orders' }),
    upstreamUrl,
    upstreams: upstreams.nullable().optional(),
    settings: settings.optional(),
    placements: placementList,
  })
  .openapi('ClusterCreate', {
    example: {
      tenantId: 'ten_01k9c0v8w1e4qafk3s7m2t6xhz',
      name: 'orders',
      upstreamUrl: 'https://metadata.acme.example',
      placements: [
        { region: 'eu-west-1' },
        { region: 'us-east-1', overrides: { upstreamUrl: 'https://us.metadata.acme.example' } },
      ],
    },
  });

export const createCluster = defineRoute({
  method: 'POST',
  path: '/v1/clusters',
  operationId: 'createCluster',
  tag: 'clusters',
  summary: 'Create a cluster',
  operation: 'clusters.write',
  body,
  answer: { status: 201, description: 'The cluster, active.', schema: Cluster },
  problems: [
    'NOT_FOUND',
    'NAME_TAKEN',
    'REGION_UNKNOWN',
    'REGION_NOT_ACTIVE',
    'REGION_NOT_ALLOWED',
    'QUOTA_EXCEEDED',
  ],
  async handle(call) {
    const { db, actor, services } = call;
    const { placements, settings = {}, ...rest } = call.body;
    // Sent together, answered in this order.
    await Promise.all([requireTenant(db, actor, rest.tenantId, '/tenantId'), checkRegions(db, placements)]);
    const id = newId('cluster', services.clock, services.random);
    const [row] = await withUniqueName(rest.name, () =>
      db
        .insert(clusters)
        .values({ id, ...rest, settings })
        .returning(),
    );
    const cluster = toCluster({ ...row!, placements: await placeCluster(db, id, placements) });
    await writeAudit(call, {
      action: 'create',
      resourceType: 'cluster',
      resourceId: id,
      tenantId: cluster.tenantId,
      after: cluster,
    });
    return { body: cluster, representation: cluster };
  },
});
