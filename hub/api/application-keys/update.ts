import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { covers } from '../../access.ts';
import { role } from '../../auth/actor.ts';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { checkedExpiry, toTimestamp } from '../../data/expiry.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { expiresAt, keyStatus, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import {
  ApplicationKey,
  applicationKeyParams,
  findApplicationKey,
  toApplicationKey,
  withoutUse,
} from './application-key.ts';
import { presentRole } from './holder.ts';
import { keepAnOwner, takeTurn } from './last-owner.ts';
import { checkPersonalEnd } from './personal-end.ts';

const body = z
  .strictObject({
    name: name.optional(),
    role: role.optional(),
    status: keyStatus.optional(),
    userId: z.null().optional().openapi({
      description:
        'null hands a person’s key over to the tenant or platform itself: it then outlives them. It keeps the role that it has with them by then, unless `role` says another.',
    }),
    expiresAt: expiresAt.optional(),
  })
  .openapi('ApplicationKeyUpdate', { example: { status: 'disabled' } });

export const updateApplicationKey = defineRoute({
  method: 'PATCH',
  path: '/v1/application-keys/{id}',
  operationId: 'updateApplicationKey',
  tag: 'application-keys',
  summary: 'Change, disable or enable an application key',
  operation: 'application-keys.write',
  params: applicationKeyParams,
  body,
  answer: { status: 200, description: 'The key as it is now.', schema: ApplicationKey },
  problems: ['NOT_FOUND', 'LAST_OWNER', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    await takeTurn(db);
    const row = await findApplicationKey(db, actor, call.params.id, 'lock');
    const current = toApplicationKey(row);
    const before = withoutUse(current);
    checkIfMatch(call.ifMatch, etagOf(before));

    const { expiresAt: wantedExpiry, ...fields } = call.body;
    const isHandedOver = fields.userId === null && row.userId !== null;
    const changes = changesOf(before, {
      ...fields,
      ...(isHandedOver ? { role: fields.role ?? (await presentRole(db, row)) } : {}),
      expiresAt: checkedExpiry(wantedExpiry, call.services.clock),
    });
    if (!changes) return { body: current, representation: before };
    const wanted = { ...before, ...changes };
    if (wanted.userId !== null && changes.expiresAt !== undefined)
      checkPersonalEnd(wanted.expiresAt, call.services.clock);
    if (!covers(actor, wanted)) fail('FORBIDDEN', 'The key would have rights that yours does not have.');
    await keepAnOwner(
      db,
      { ...before, expires: before.expiresAt !== null },
      { ...wanted, expires: wanted.expiresAt !== null },
    );

    const { expiresAt: newExpiry, ...rest } = changes;
    const [changed] = await db
      .update(applicationKeys)
      .set({ ...rest, ...(newExpiry === undefined ? {} : { expiresAt: toTimestamp(newExpiry) }) })
      .where(eq(applicationKeys.id, row.id))
      .returning();
    const body = toApplicationKey(changed!);
    const after = withoutUse(body);
    await writeAudit(call, {
      action: 'update',
      resourceType: 'application-key',
      resourceId: row.id,
      tenantId: row.tenantId,
      before,
      after,
    });
    call.afterCommit(() => call.services.keys.clear());
    return { body, representation: after };
  },
});
