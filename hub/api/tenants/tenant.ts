import { z } from '@hono/zod-openapi';
import { eq, inArray } from 'drizzle-orm';
import { isId } from '../../../contexts/ids.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import { brokenConstraint } from '../../data/errors.ts';
import type { Queryable } from '../../db/client.ts';
import { regions, tenants } from '../../db/schema.ts';
import { idOf, moment, name, regionId } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';

export const tenantStatus = z
  .enum(['active', 'suspended'], 'must be active or suspended')
  .openapi({ description: '`suspended`: every gateway refuses all its agent keys with 403.' });

const quota = z
  .int('must be a whole number')
  .min(0, 'must not be negative')
  .max(10_000_000, 'must be at most 10000000')
  .nullable();

const quotaFields = {
  clusters: quota.openapi({ description: 'Clusters at the most; null for any number.', example: 100 }),
  agentKeys: quota.openapi({ description: 'Agent keys of all its clusters at the most.', example: null }),
  regions: quota.openapi({
    description: 'Regions that its clusters are placed in at the most.',
    example: null,
  }),
};

export const Quotas = z.strictObject(quotaFields).openapi('Quotas');

export const quotasInput = z.strictObject(quotaFields).partial().openapi({
  description:
    'How many of each the tenant may have. Those that are not given stay as they are. What is there already stays, also beyond a quota.',
});

export const allowedRegions = z
  .array(regionId)
  .min(1, 'must name at least one region; null is anywhere')
  .max(200, 'must have at most 200 regions')
  .refine((list) => new Set(list).size === list.length, 'must not name a region twice')
  .nullable()
  .openapi({
    description:
      'The residency of the tenant: the only regions that its clusters may be placed in, and its contexts published to. null for anywhere.',
    example: null,
  });

/** A tenant as the API shows it. */
export const Tenant = z
  .strictObject({
    id: idOf('tenant'),
    name: name.openapi({ example: 'Acme' }),
    status: tenantStatus,
    quotas: Quotas,
    allowedRegions,
    createdAt: moment,
    updatedAt: moment,
  })
  .openapi('Tenant');

export const tenantParams = z.object({ id: idOf('tenant').openapi({ description: 'The id of a tenant.' }) });

type Row = typeof tenants.$inferSelect;

export function toTenant(row: Row): z.infer<typeof Tenant> {
  const { id, name, status, allowedRegions, createdAt, updatedAt } = row;
  return {
    ...{ id, name, status },
    quotas: { clusters: row.clustersMax, agentKeys: row.agentKeysMax, regions: row.regionsMax },
    allowedRegions,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

export function quotaColumns(quotas: z.output<typeof quotasInput>) {
  const { clusters: clustersMax, agentKeys: agentKeysMax, regions: regionsMax } = quotas;
  return { clustersMax, agentKeysMax, regionsMax };
}

/**
 * The residency as it is kept, in order.
 * @throws ProblemError 422 naming regions that do not exist: a typing error would shut everybody out.
 */
export async function residencyOf<Wanted extends string[] | null | undefined>(
  db: Queryable,
  wanted: Wanted,
): Promise<Wanted> {
  if (!wanted) return wanted;
  const rows = await db
    .select({ id: regions.id })
    .from(regions)
    .where(inArray(regions.id, [...wanted]));
  const known = new Set(rows.map(({ id }) => id));
  const errors = wanted.flatMap((region, index) =>
    known.has(region)
      ? []
      : [{ pointer: `/allowedRegions/${index}`, detail: `there is no region ${region}` }],
  );
  if (errors.length > 0)
    fail('REGION_UNKNOWN', { detail: errors.map(({ detail }) => detail).join('; '), errors });
  return wanted.toSorted() as Wanted;
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
