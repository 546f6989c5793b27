import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { isId } from '../../../contexts/ids.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import { brokenConstraint } from '../../data/errors.ts';
import type { Queryable } from '../../db/client.ts';
import { tenants } from '../../db/schema.ts';
import { idOf, moment, name } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';

export const tenantStatus = z
  .enum(['active', 'suspended'], 'must be active or suspended')
  .openapi({ description: '`suspended`: every gateway refuses all its agent keys with 403.' });

/** A tenant as the API shows it. */
export const Tenant = z
  .strictObject({
    id: idOf('tenant'),
    name: name.openapi({ example: 'Acme' }),
    status: tenantStatus,
    createdAt: moment,
    updatedAt: moment,
  })
  .openapi('Tenant');

export const tenantParams = z.object({ id: idOf('tenant').openapi({ description: 'The id of a tenant.' }) });

type Row = typeof tenants.$inferSelect;

export function toTenant(row: Row): z.infer<typeof Tenant> {
  const { id, name, status, createdAt, updatedAt } = row;
  return { id, name, status, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

/** The tenant's row, locked where a change is to follow. @throws ProblemError 404, also for another's. */
export async function findTenant(db: Queryable, actor: Actor, id: string, lock?: 'lock'): Promise<Row> {
  if (!sees(actor, id)) fail('NOT_FOUND');
  const query = db.select().from(tenants).where(eq(tenants.id, id));
  const [row] = await (lock ? query.for('update') : query);
  return row ?? fail('NOT_FOUND');
}

/**
 * Makes sure that a tenant named in a request is there for the actor, and stays until the transaction ends.
 * @throws ProblemError 404 blaming `pointer`, the same for an absent tenant and for another's.
 */
export async function requireTenant(db: Queryable, actor: Actor, id: string, pointer: string): Promise<void> {
  const seen = isId('tenant', id) && sees(actor, id);
  const [row] = seen
    ? await db.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, id)).for('key share')
    : [];
  if (!row) blame('NOT_FOUND', pointer, `there is no tenant ${id}`);
}

/** Runs a write of a tenant's name, telling a taken one apart. */
export async function withUniqueName<Result>(
  wanted: string | undefined,
  write: () => Promise<Result>,
): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (brokenConstraint(error) === 'tenants_name_unique')
      blame('NAME_TAKEN', '/name', `a tenant is called ${JSON.stringify(wanted)}`);
    throw error;
  }
}
