import { z } from '@hono/zod-openapi';
import { requireHolder } from '../../auth/holder.ts';
import { makeLink } from '../../auth/one-time-links.ts';
import { writeAudit } from '../../data/audit.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { findUser, governs, membershipsFor, UserLinkCreated, userParams } from './user.ts';

const body = z
  .strictObject({
    purpose: z.enum(['invitation', 'password-reset'], 'must be invitation or password-reset').openapi({
      description:
        '`invitation`: to accept the memberships that are not yet; `password-reset`: to choose another password, which signs the person out everywhere, revokes their own application keys, and takes the OpenID provider off the account until they link it again.',
    }),
  })
  .openapi('UserLinkCreate', { example: { purpose: 'password-reset' } });

export const createUserLink = defineRoute({
  method: 'POST',
  path: '/v1/users/{id}/links',
  operationId: 'createUserLink',
  tag: 'users',
  summary: 'Make a one-time link for a person',
  description:
    'For an invitation that was lost or has expired, or a password that was forgotten. An earlier link for the same stops working. A new password is for the platform to give, and for the tenant of who belongs to it alone. A person whom a session lets in must have signed in within the last ten minutes.',
  operation: 'users.write',
  params: userParams,
  body,
  answer: { status: 201, description: 'The link.', schema: UserLinkCreated },
  problems: ['NOT_FOUND', 'SIGN_IN_AGAIN', 'NOTHING_TO_ACCEPT', 'USER_NOT_ACTIVE'],
  async handle(call) {
    const { db, actor, services } = call;
    const { purpose } = call.body;
    const person = await findUser(db, actor, call.params.id, 'lock');
    requireHolder(actor, services);
    const userId = person.row.id;
    const pending = membershipsFor(person.all, actor).filter(({ acceptedAt }) => acceptedAt === null);
    if (purpose === 'invitation' && pending.length === 0) fail('NOTHING_TO_ACCEPT');
    if (purpose === 'password-reset') {
      if (!governs(actor, person))
        fail(
          'FORBIDDEN',
          'The person does not belong to your tenant alone: only the platform resets the password.',
        );
      if (person.row.status !== 'active') fail('USER_NOT_ACTIVE');
    }
    const scopes = purpose === 'invitation' ? pending.map(({ tenantId }) => tenantId) : [];
    const { id, url, expiresAt } = await makeLink(
      db,
      { purpose, userId, scopes, createdBy: actor.id },
      services,
    );
    await writeAudit(call, {
      action: 'create',
      resourceType: 'one-time-link',
      resourceId: id,
      tenantId: actor.tenantId,
      after: { id, userId, purpose, expiresAt },
    });
    const made = { id, userId, purpose, expiresAt };
    return {
      body: { ...made, secret: url },
      representation: made,
      replay: { ...made, secretOmitted: true as const },
    };
  },
});
