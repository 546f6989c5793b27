import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { users } from '../../db/people-tables.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { defineRoute } from '../../http/route.ts';
import { keepAnOwnerBeside, takeTurn } from '../application-keys/last-owner.ts';
import { removeMembership } from './memberships.ts';
import { findUser, membershipsFor, toUser, userParams, withoutUse } from './user.ts';

export const deleteUser = defineRoute({
  method: 'DELETE',
  path: '/v1/users/{id}',
  operationId: 'deleteUser',
  tag: 'users',
  summary: 'Remove a person',
  description:
    'For the platform: the account, signed out everywhere at once. For a tenant: from that tenant; an account that nobody ever used and that belongs nowhere else goes with it.',
  operation: 'users.write',
  params: userParams,
  query: z.strictObject({
    applicationKeys: z.enum(['delete', 'keep'], 'must be delete or keep').optional().openapi({
      description:
        '`keep` hands their application keys over to the tenant or platform they work in, with the role they have there by then at the most. Default: they are revoked.',
    }),
  }),
  answer: { status: 204, description: 'They are removed.' },
  problems: ['NOT_FOUND', 'LAST_OWNER', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    await takeTurn(db);
    const person = await findUser(db, actor, call.params.id, 'lock');
    const before = withoutUse(toUser(person, actor));
    checkIfMatch(call.ifMatch, etagOf(before));
    const { row, all } = person;
    const visible = membershipsFor(all, actor);
    for (const one of visible) await removeMembership(call, row, one, call.query.applicationKeys);
    const unused = row.status === 'invited' && visible.length === all.length;
    if (actor.tenantId === null || unused) {
      await db.delete(users).where(eq(users.id, row.id));
      await writeAudit(call, {
        action: 'delete',
        resourceType: 'user',
        resourceId: row.id,
        tenantId: actor.tenantId,
        before,
      });
    }
    await keepAnOwnerBeside(db, person);
    call.afterCommit(() => call.services.keys.clear());
    return {};
  },
});
