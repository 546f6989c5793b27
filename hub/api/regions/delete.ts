import { z } from '@hono/zod-openapi';
import { count, eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { placements, regions } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { findRegion, regionParams, toRegion } from './region.ts';

export const deleteRegion = defineRoute({
  method: 'DELETE',
  path: '/v1/regions/{id}',
  operationId: 'deleteRegion',
  tag: 'regions',
  summary: 'Delete a region in which no cluster is placed',
  description:
    'The hub forgets it, and nobody publishes to it any more. Its table (`store.table`) is never deleted, and its gateways go on answering from it. Revocations do not reach it either: end its gateways, then delete the table with the tools of your store.',
  operation: 'regions.write',
  params: regionParams,
  query: z.strictObject({
    force: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .openapi({ description: '`true`: also where clusters are placed in it; their placements there end.' }),
  }),
  answer: { status: 204, description: 'It is gone.' },
  problems: ['NOT_FOUND', 'REGION_IN_USE', 'PRECONDITION_FAILED'],
  async handle(call) {
    const row = await findRegion(call.db, call.params.id, 'lock');
    const before = toRegion(row, call.actor);
    checkIfMatch(call.ifMatch, etagOf(before));
    const [held] = await call.db
      .select({ clusters: count() })
      .from(placements)
      .where(eq(placements.region, row.id));
    if (held!.clusters > 0 && call.query.force !== 'true')
      fail(
        'REGION_IN_USE',
        `${held!.clusters} clusters are placed in it. Move them elsewhere first, or end their placements with \`?force=true\`.`,
      );
    await call.db.delete(placements).where(eq(placements.region, row.id));
    await call.db.delete(regions).where(eq(regions.id, row.id));
    await writeAudit(call, {
      action: 'delete',
      resourceType: 'region',
      resourceId: row.id,
      tenantId: null,
      before,
    });
    return {};
  },
});
