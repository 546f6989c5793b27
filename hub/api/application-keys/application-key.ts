import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { sees } from '../../access.ts';
import { type Actor, role } from '../../auth/actor.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import type { Queryable } from '../../db/client.ts';
import { expiresAt, idOf, keyStatus, moment, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';

const fields = {
  id: idOf('applicationKey'),
  tenantId: idOf('tenant')
    .nullable()
    .openapi({ description: 'The tenant it is confined to; null for a key of the platform.' }),
  userId: idOf('user').nullable().openapi({
    description:
      'Whose it is: it can do no more than that person can there, and ends with them. Null for a key of the tenant or platform itself.',
  }),
  createdBy: z.string().nullable().openapi({
    description: 'Who made it: a person, an application key, or `cli`.',
    example: 'usr_01k9c0v8w1e4qafk3s7m2t6xhz',
  }),
  role: role.openapi({ example: 'admin' }),
  name: name.openapi({ example: 'terraform' }),
  status: keyStatus,
  expiresAt,
  lastUsedAt: moment.nullable().openapi({ description: 'To the minute.' }),
  createdAt: moment,
  updatedAt: moment,
};

/** An application key as the API shows it: neither its secret nor its verifier is in it. */
export const ApplicationKey = z.strictObject(fields).openapi('ApplicationKey');

export const ApplicationKeyCreated = z
  .strictObject({
    ...fields,
    secret: z.string().optional().openapi({
      description: 'What to send as `authorization: Bearer`. Shown this once; absent from a replay.',
      example: 'spa_01k9c0v8w1e4qafk3s7m2t6xhz_...',
    }),
    secretOmitted: z.literal(true).optional().openapi({
      description:
        'This is the replay of an earlier answer, and secrets are not kept. Create another key if that answer is lost.',
    }),
  })
  .openapi('ApplicationKeyCreated');

export const applicationKeyParams = z.object({
  id: idOf('applicationKey').openapi({ description: 'The id of an application key.' }),
});

export type ApplicationKeyRow = typeof applicationKeys.$inferSelect;

export function toApplicationKey(row: ApplicationKeyRow): z.infer<typeof ApplicationKey> {
  const { id, tenantId, userId, createdBy, role, name, status } = row;
  return {
    ...{ id, tenantId, userId, createdBy, role, name, status },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** What the `ETag` is made of, and what the audit log keeps: being used is no change of the key. */
export function withoutUse({ lastUsedAt: _, ...rest }: z.infer<typeof ApplicationKey>) {
  return rest;
}

/** The key's row, locked where a change is to follow. @throws ProblemError 404, also for another tenant's. */
export async function findApplicationKey(
  db: Queryable,
  actor: Actor,
  id: string,
  lock?: 'lock',
): Promise<ApplicationKeyRow> {
  const query = db.select().from(applicationKeys).where(eq(applicationKeys.id, id));
  const [row] = await (lock ? query.for('update') : query);
  if (!row || !sees(actor, row.tenantId)) return fail('NOT_FOUND');
  return row;
}
