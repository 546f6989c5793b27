import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { requireHolder } from '../../auth/holder.ts';
import { endSessions } from '../../auth/sessions.ts';
import { writeAudit } from '../../data/audit.ts';
import { changesOf } from '../../data/changes.ts';
import { users } from '../../db/people-tables.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { name } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { keepAnOwnerBeside, takeTurn } from '../application-keys/last-owner.ts';
import { checkedMemberships, replaceMemberships } from './memberships.ts';
import { findUser, governs, toUser, User, userParams, wantedMemberships, withoutUse } from './user.ts';

const body = z
  .strictObject({
    name: name.optional(),
    status: z
      .enum(['active', 'disabled'], 'must be active or disabled')
      .optional()
      .openapi({ description: '`disabled` signs the person out everywhere at once.' }),
    memberships: wantedMemberships.optional().openapi({
      description:
        'All that the person is to belong to, as far as you see it. What is new is an invitation until it is accepted: `POST /v1/users/{id}/links` makes the link.',
    }),
  })
  .openapi('UserUpdate', { example: { status: 'disabled' } });

export const updateUser = defineRoute({
  method: 'PATCH',
  path: '/v1/users/{id}',
  operationId: 'updateUser',
  tag: 'users',
  summary: 'Change a person, what they belong to, or whether they may sign in',
  description:
    'Name and status are for the platform, and for the tenant of who belongs to it alone. To change memberships, a person whom a session lets in must have signed in within the last ten minutes.',
  operation: 'users.write',
  params: userParams,
  body,
  answer: { status: 200, description: 'The person as they are now.', schema: User },
  problems: ['NOT_FOUND', 'SIGN_IN_AGAIN', 'LAST_OWNER', 'PRECONDITION_FAILED'],
  async handle(call) {
    const { db, actor } = call;
    await takeTurn(db);
    const person = await findUser(db, actor, call.params.id, 'lock');
    const current = toUser(person, actor);
    checkIfMatch(call.ifMatch, etagOf(withoutUse(current)));
    const { memberships: given, ...fields } = call.body;
    const changes = changesOf(person.row, fields);
    if (changes && !governs(actor, person))
      fail(
        'FORBIDDEN',
        'The person does not belong to your tenant alone; you can change what they are in it.',
      );
    if (changes?.status === 'active' && person.row.status === 'invited')
      blame('VALIDATION_FAILED', '/status', 'becomes active when the person accepts the invitation');

    if (changes) {
      const { id, email, name, status } = person.row;
      const set = settled(changes, person.row);
      await db.update(users).set(set).where(eq(users.id, id));
      await writeAudit(call, {
        action: 'update',
        resourceType: 'user',
        resourceId: id,
        tenantId: actor.tenantId,
        before: { id, email, name, status },
        after: { id, email, name, status, ...set },
      });
      if (changes.status === 'disabled') await endSessions(db, id);
    }
    if (given) {
      requireHolder(actor, call.services);
      await replaceMemberships(call, person, await checkedMemberships(call, given));
    }
    await keepAnOwnerBeside(db, person);
    call.afterCommit(() => call.services.keys.clear());
    const user = toUser(await findUser(db, { ...actor, tenantId: null }, person.row.id), actor);
    return { body: user, representation: withoutUse(user) };
  },
});

/** Who is enabled again without ever having chosen a password is invited as before. */
function settled<Changes extends { status?: 'active' | 'disabled' }>(
  changes: Changes,
  row: { passwordHash: string | null; lastSignedInAt: Date | null },
) {
  const everSignedIn = row.passwordHash !== null || row.lastSignedInAt !== null;
  return changes.status === 'active' && !everSignedIn ? { ...changes, status: 'invited' as const } : changes;
}
