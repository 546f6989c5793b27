import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { writeAudit } from '../../data/audit.ts';
import { regions } from '../../db/schema.ts';
import { requestSeeding } from '../../db/seedings.ts';
import { regionId } from '../../http/fields.ts';
import { blame } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { checkStoreIsFree, Region, StoreAddress, storeColumns, toRegion } from './region.ts';

const body = z.strictObject({ id: regionId, store: StoreAddress }).openapi('RegionCreate', {
  example: { id: 'eu-west-1', store: { awsRegion: 'eu-west-1', table: 'spokecast-prod-eu-west-1' } },
});

export const createRegion = defineRoute({
  method: 'POST',
  path: '/v1/regions',
  operationId: 'createRegion',
  tag: 'regions',
  summary: 'Create a region',
  description:
    'The publisher sets its table up, fills it, and makes the region active once it has verified that it holds everything: `GET /v1/seedings?region=` shows how far it is. Clusters may be placed in it at once.',
  operation: 'regions.write',
  body,
  answer: { status: 201, description: 'The region, seeding.', schema: Region },
  problems: ['ID_TAKEN', 'STORE_TAKEN'],
  async handle(call) {
    const { db, actor } = call;
    const { id, store } = call.body;
    await checkStoreIsFree(db, id, storeColumns(store));
    const [row] = await db
      .insert(regions)
      .values({ id, status: 'seeding', ...storeColumns(store) })
      .onConflictDoNothing()
      .returning();
    if (!row) return blame('ID_TAKEN', '/id', `there is a region ${id}`);
    const { clock, random } = call.services;
    await requestSeeding(db, { id: newId('seeding', clock, random), region: id, cause: 'added' });
    const region = toRegion(row, actor);
    await writeAudit(call, {
      action: 'create',
      resourceType: 'region',
      resourceId: id,
      tenantId: null,
      after: region,
    });
    return { body: region, representation: region };
  },
});
