import { z } from '@hono/zod-openapi';
import { and, asc, eq, exists, gt, sql } from 'drizzle-orm';
import { sees } from '../../access.ts';
import { hasEmail } from '../../data/where.ts';
import type { Queryable } from '../../db/client.ts';
import { memberships, users } from '../../db/people-tables.ts';
import { idOf } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { email, membershipsOf, toUser, User } from './user.ts';

export const listUsers = defineRoute({
  method: 'GET',
  path: '/v1/users',
  operationId: 'listUsers',
  tag: 'users',
  summary: 'List people, those known for longest first',
  description: 'A tenant sees who belongs to it only.',
  operation: 'users.read',
  query: z.strictObject({
    ...pageQuery,
    tenantId: idOf('tenant').optional().openapi({ description: 'Who belongs to this tenant.' }),
    email: email.optional().openapi({ description: 'Exactly this address.' }),
  }),
  answer: { status: 200, description: 'A page of people.', schema: pageOf('UserPage', User) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('users', query);
    // Also where a person belongs to both: that they do is not told.
    if (query.tenantId !== undefined && !sees(actor, query.tenantId))
      return { body: { items: [], nextCursor: null } };
    const rows = await db
      .select()
      .from(users)
      .where(
        and(
          actor.tenantId === null ? undefined : belongsTo(db, actor.tenantId, page.after),
          query.tenantId === undefined ? undefined : belongsTo(db, query.tenantId, page.after),
          query.email === undefined ? undefined : hasEmail(query.email),
          page.after === undefined ? undefined : gt(users.id, page.after),
        ),
      )
      .orderBy(asc(users.id))
      .limit(page.limit + 1);
    const all = await membershipsOf(
      db,
      rows.map(({ id }) => id),
    );
    return {
      body: pageFrom('users', page, rows, (row) => toUser({ row, all: all.get(row.id)! }, actor)),
    };
  },
});

/** `after` is said of the memberships as well: Postgres does not conclude it by itself. */
function belongsTo(db: Queryable, tenantId: string, after: string | undefined) {
  const membership = db
    .select({ one: sql`1` })
    .from(memberships)
    .where(
      and(
        eq(memberships.userId, users.id),
        eq(memberships.tenantId, tenantId),
        after === undefined ? undefined : gt(memberships.userId, after),
      ),
    );
  return exists(membership);
}
