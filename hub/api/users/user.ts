import { z } from '@hono/zod-openapi';
import { asc, eq, inArray } from 'drizzle-orm';
import { type Actor, role } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { memberships, users } from '../../db/people-tables.ts';
import { idOf, moment, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';

const emailRule = 'must be an address like ann@example.com';

/**
 * Plain ASCII, in lower case: two addresses that differ otherwise reach the same person nearly everywhere. What the
 * format `email` of JSON Schema takes, so that answers are what the document says: no two dots in a row, and a domain of
 * labels that can be looked up.
 */
export const email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254, 'must have at most 254 characters')
  .regex(
    /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    emailRule,
  )
  .refine((address) => address.indexOf('@') <= 64, emailRule)
  .openapi({ format: 'email', example: 'ann@example.com' });

export const userStatus = z.enum(['invited', 'active', 'disabled']).openapi({
  description: '`invited`: has not signed in yet; `disabled`: cannot, and is signed out everywhere.',
});

const scope = idOf('tenant').nullable();

/** What a person may do in one tenant or on the platform. */
export const Membership = z
  .strictObject({
    tenantId: scope.openapi({ description: 'Null for the platform.' }),
    role,
    status: z.enum(['invited', 'active']).openapi({
      description: '`invited`: gives no rights until the person has accepted it, by the link.',
    }),
  })
  .openapi('Membership');

export const wantedMemberships = z
  .array(
    z.strictObject({
      tenantId: scope.optional().openapi({
        description: 'Default: the tenant of whoever asks; null, the platform, for the platform’s own.',
      }),
      role,
    }),
  )
  .max(100, 'must have at most 100 entries');

const fields = {
  id: idOf('user'),
  email,
  name: name.openapi({ example: 'Ann Example' }),
  status: userStatus,
  memberships: z.array(Membership).openapi({
    description: 'To a tenant: the one in that tenant, whatever else the person belongs to.',
  }),
  lastSignedInAt: moment.nullable(),
  createdAt: moment,
  updatedAt: moment,
};

/** A person as the API shows it: neither the password nor its hash is in it. */
export const User = z.strictObject(fields).openapi('User');

const link = {
  secret: z.string().optional().openapi({
    description: 'The link to hand to the person. Shown this once; absent from a replay. It works once.',
    example: 'https://hub.example/invitation?token=...',
  }),
  secretOmitted: z.literal(true).optional().openapi({
    description: 'This is the replay of an earlier answer, and links are not kept. Make another.',
  }),
};

export const UserCreated = z
  .strictObject({ ...fields, ...link, linkExpiresAt: moment })
  .openapi('UserCreated');

export const UserLinkCreated = z
  .strictObject({
    id: idOf('oneTimeLink'),
    userId: idOf('user'),
    purpose: z.enum(['invitation', 'password-reset']),
    expiresAt: moment,
    ...link,
  })
  .openapi('UserLinkCreated');

export const userParams = z.object({ id: idOf('user').openapi({ description: 'The id of a user.' }) });

export type UserRow = typeof users.$inferSelect;
export type MembershipRow = typeof memberships.$inferSelect;
/** A person with everything they belong to, which is more than a tenant is shown. */
export interface Person {
  row: UserRow;
  all: readonly MembershipRow[];
}

/**
 * The person as the actor may see them. To a tenant somebody who has not accepted its invitation is the address it
 * invited and nothing more: not the name, nor whether there was an account before.
 */
export function toUser({ row, all }: Person, actor: Pick<Actor, 'tenantId'>): z.infer<typeof User> {
  const shown = membershipsFor(all, actor);
  const known = actor.tenantId === null || shown.some(({ acceptedAt }) => acceptedAt !== null);
  const since = shown[0]?.createdAt ?? row.createdAt;
  return {
    id: row.id,
    email: row.email,
    name: known ? row.name : row.email.slice(0, 120),
    status: known ? row.status : 'invited',
    memberships: shown.map(toMembership),
    lastSignedInAt: (known && row.lastSignedInAt?.toISOString()) || null,
    createdAt: (known ? row.createdAt : since).toISOString(),
    updatedAt: (known ? row.updatedAt : since).toISOString(),
  };
}

export function toMembership({ tenantId, role, acceptedAt }: MembershipRow): z.infer<typeof Membership> {
  return { tenantId, role, status: acceptedAt === null ? 'invited' : 'active' };
}

/** What the `ETag` is made of: signing in is no change of the person. */
export function withoutUse({ lastSignedInAt: _, ...rest }: z.infer<typeof User>) {
  return rest;
}

/** Of a person's memberships those that the actor may know of. */
export function membershipsFor(
  all: readonly MembershipRow[],
  { tenantId }: Pick<Actor, 'tenantId'>,
): readonly MembershipRow[] {
  return tenantId === null ? all : all.filter((one) => one.tenantId === tenantId);
}

/** The memberships of people, the platform's first. */
export async function membershipsOf(
  db: Queryable,
  userIds: readonly string[],
): Promise<Map<string, MembershipRow[]>> {
  const rows =
    userIds.length === 0
      ? []
      : await db
          .select()
          .from(memberships)
          .where(inArray(memberships.userId, [...userIds]))
          .orderBy(asc(memberships.userId), asc(memberships.tenantId));
  const found = new Map<string, MembershipRow[]>(userIds.map((id) => [id, []]));
  for (const row of rows) {
    const list = found.get(row.userId)!;
    if (row.tenantId === null) list.unshift(row);
    else list.push(row);
  }
  return found;
}

/** The person, locked where a change is to follow. @throws ProblemError 404, also for who is not of the actor's tenant. */
export async function findUser(db: Queryable, actor: Actor, id: string, lock?: 'lock'): Promise<Person> {
  const query = db.select().from(users).where(eq(users.id, id));
  const [row] = await (lock ? query.for('update') : query);
  if (!row) return fail('NOT_FOUND');
  const all = (await membershipsOf(db, [id])).get(id)!;
  if (actor.tenantId !== null && membershipsFor(all, actor).length === 0) return fail('NOT_FOUND');
  return { row, all };
}

/**
 * Whether the account as a whole is the actor's to change (name, password, being disabled): the platform's are, and a
 * tenant's where the person belongs to that tenant alone and has accepted that.
 */
export function governs(actor: Pick<Actor, 'tenantId'>, { all }: Person): boolean {
  if (actor.tenantId === null) return true;
  return all.every(({ tenantId, acceptedAt }) => tenantId === actor.tenantId && acceptedAt !== null);
}
