import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { regions } from '../../db/schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import {
  checkStoreIsFree,
  findRegion,
  Region,
  regionParams,
  regionStatus,
  StoreAddress,
  storeColumns,
  toRegion,
} from './region.ts';

const body = z
  .strictObject({ status: regionStatus.optional(), store: StoreAddress.optional() })
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
    const { status, store } = call.body;
    const changes = changesOf(row, { status, ...(store ? storeColumns(store) : {}) });
    if (!changes) return { body: before, representation: before };

    const moves = changes.storeTable !== undefined || changes.storeAwsRegion !== undefined;
    if (moves && (row.status !== 'disabled' || (status !== undefined && status !== 'disabled'))) {
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
