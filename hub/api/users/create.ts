import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { requireHolder } from '../../auth/holder.ts';
import { makeLink } from '../../auth/one-time-links.ts';
import { writeAudit } from '../../data/audit.ts';
import { hasEmail } from '../../data/where.ts';
import type { Queryable } from '../../db/client.ts';
import { users } from '../../db/people-tables.ts';
import { name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { takeTurn } from '../application-keys/last-owner.ts';
import { addMemberships, checkedMemberships } from './memberships.ts';
import {
  email,
  membershipsOf,
  toUser,
  UserCreated,
  type UserRow,
  wantedMemberships,
  withoutUse,
} from './user.ts';

const body = z
  .strictObject({
    email,
    name: name.optional().openapi({ description: 'Until the person says otherwise. Default: the address.' }),
    memberships: wantedMemberships.min(1, 'must have at least one entry'),
  })
  .openapi('UserCreate', { example: { email: 'ann@example.com', memberships: [{ role: 'admin' }] } });

export const createUser = defineRoute({
  method: 'POST',
  path: '/v1/users',
  operationId: 'createUser',
  tag: 'users',
  summary: 'Invite a person',
  description:
    'The answer holds a link, this once: hand it to the person, who chooses a password there. Who has an account already accepts the memberships by it, having signed in. They give no rights before. A person whom a session lets in must have signed in within the last ten minutes.',
  operation: 'users.write',
  body,
  answer: { status: 201, description: 'The person, invited, with the link.', schema: UserCreated },
  problems: ['NOT_FOUND', 'SIGN_IN_AGAIN', 'ALREADY_MEMBER'],
  async handle(call) {
    const { db, actor, services } = call;
    const wanted = await checkedMemberships(call, call.body.memberships);
    requireHolder(actor, services);
    await takeTurn(db);
    const { row, made } = await findOrInsert(db, call.body, services);
    const before = (await membershipsOf(db, [row.id])).get(row.id)!;
    const added = wanted.filter(({ tenantId }) => !before.some((one) => one.tenantId === tenantId));
    if (added.length < wanted.length)
      fail(
        'ALREADY_MEMBER',
        `${row.email} belongs there already; PATCH /v1/users/${row.id} changes the role.`,
      );

    if (made)
      await writeAudit(call, {
        action: 'create',
        resourceType: 'user',
        resourceId: row.id,
        tenantId: actor.tenantId,
        after: { id: row.id, email: row.email, name: row.name, status: row.status },
      });
    await addMemberships(call, row, added);
    const link = await makeLink(
      db,
      {
        purpose: 'invitation',
        userId: row.id,
        scopes: added.map(({ tenantId }) => tenantId),
        createdBy: actor.id,
      },
      services,
    );
    const all = (await membershipsOf(db, [row.id])).get(row.id)!;
    const user = toUser({ row, all }, actor);
    const linkExpiresAt = link.expiresAt;
    return {
      body: { ...user, secret: link.url, linkExpiresAt },
      representation: withoutUse(user),
      replay: { ...user, secretOmitted: true as const, linkExpiresAt },
    };
  },
});

async function findOrInsert(
  db: Queryable,
  { email, name = email.slice(0, 120) }: { email: string; name?: string | undefined },
  { clock, random }: Parameters<typeof makeLink>[2],
): Promise<{ row: UserRow; made: boolean }> {
  const [there] = await db.select().from(users).where(hasEmail(email)).for('update');
  if (there) return { row: there, made: false };
  const id = newId('user', clock, random);
  const [row] = await db.insert(users).values({ id, email, name, status: 'invited' }).returning();
  return { row: row!, made: true };
}
