import { z } from '@hono/zod-openapi';
import { and, eq, isNull } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import type { Queryable } from '../../db/client.ts';
import { regions, seedings } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import {
  checkStoreIsFree,
  findRegion,
  Region,
  type RegionRow,
  regionParams,
  StoreAddress,
  storeColumns,
  toRegion,
} from './region.ts';

const wantedStatus = z
  .enum(['active', 'draining', 'disabled'], 'must be active, draining or disabled')
  .openapi({
    description:
      'A region that was never verified to hold everything becomes `seeding` where `active` is asked for, and active by itself later.',
  });

const body = z
  .strictObject({ status: wantedStatus.optional(), store: StoreAddress.optional() })
  .openapi('RegionUpdate', { example: { status: 'draining' } });

export const updateRegion = defineRoute({
  method: 'PATCH',
  path: '/v1/regions/{id}',
  operationId: 'updateRegion',
  tag: 'regions',
  summary: 'Drain, disable or reactivate a region, or change where its store is',
  description:
    'The endpoint may change at any time (the publisher checks whose table it finds there). Another table or AWS region is another store, which gateways do not follow by themselves: that takes a disabled region.',
  operation: 'regions.write',
  params: regionParams,
  body,
  answer: { status: 200, description: 'The region as it is now.', schema: Region },
  problems: ['NOT_FOUND', 'STORE_TAKEN', 'REGION_STORE_FIXED', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    const row = await findRegion(db, call.params.id, 'lock');
    const before = toRegion(row, actor);
    checkIfMatch(call.ifMatch, etagOf(before));
    const { store } = call.body;
    const wanted = call.body.status;
    const status: RegionRow['status'] | undefined =
      wanted === 'active' && (await isBeingAdded(db, row.id)) ? 'seeding' : wanted;
    const changes = changesOf(row, { status, ...(store ? storeColumns(store) : {}) });
    if (!changes) return { body: before, representation: before };

    const moves = changes.storeTable !== undefined || changes.storeAwsRegion !== undefined;
    if (moves && (row.status !== 'disabled' || (wanted !== undefined && wanted !== 'disabled'))) {
      fail(
        'REGION_STORE_FIXED',
        'Set its status to disabled first, then change the store, then activate it again.',
      );
    }
    if (store) await checkStoreIsFree(db, row.id, storeColumns(store));
    const [changed] = await db.update(regions).set(changes).where(eq(regions.id, row.id)).returning();
    const after = toRegion(changed!, actor);
    await writeAudit(call, {
      action: 'update',
      resourceType: 'region',
      resourceId: row.id,
      tenantId: null,
      before,
      after,
    });
    return { body: after, representation: after };
  },
});

async function isBeingAdded(db: Queryable, region: string): Promise<boolean> {
  const [seeding] = await db
    .select({ id: seedings.id })
    .from(seedings)
    .where(and(eq(seedings.region, region), eq(seedings.cause, 'added'), isNull(seedings.finishedAt)));
  return seeding !== undefined;
}
