import { z } from '@hono/zod-openapi';
import { and, eq, ne, sql } from 'drizzle-orm';
import type { Actor } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { regions } from '../../db/schema.ts';
import { httpUrl, moment, regionId } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';
import { Freeze } from '../freeze/freeze.ts';
import { publishingState } from './look.ts';

export const regionStatus = z
  .enum(['seeding', 'active', 'draining', 'disabled'], 'must be seeding, active, draining or disabled')
  .openapi({
    description:
      '`seeding`: new, and becomes active by itself once it is verified to hold everything; takes placements already. `draining`: takes no new placements; `disabled`: nothing is published to it either.',
  });

/** Where a region's store is. */
export const StoreAddress = z
  .strictObject({
    endpoint: httpUrl('Of the DynamoDB API, where it is not the one AWS has for `awsRegion`.')
      .optional()
      .openapi({ example: 'http://alternator.eu-west-1.example:8000' }),
    awsRegion: z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, 'must be a name like eu-west-1')
      .optional()
      .openapi({ example: 'eu-west-1' }),
    table: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{3,255}$/, 'must have 3 to 255 characters of a-z, A-Z, 0-9 and _ . -')
      .openapi({ example: 'spokecast-prod-eu-west-1' }),
  })
  .openapi('StoreAddress');

/** What keeps a region from being told everything. */
const Publishing = z
  .strictObject({
    state: publishingState,
    reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why it is not open, and what to do; null while it is.', example: null }),
    held: z.int().openapi({ description: 'Contexts over the budget of losses; see `/holds`.' }),
    quarantined: z
      .int()
      .openapi({ description: 'Contexts whose content must not be published; see `/holds`.' }),
    heldAhead: z.int().openapi({
      description:
        'Contexts that the last complete sweep left to a person: the region denies by a version that the hub never gave them, and the hub would let through (CONTEXT_AHEAD). The log of the publisher names them.',
    }),
    freeze: z
      .union([Freeze, z.null()])
      .openapi({ description: 'Its own, or that of all regions.', example: null }),
  })
  .openapi('RegionPublishing');

/** A region as the API shows it. */
export const Region = z
  .strictObject({
    id: regionId,
    status: regionStatus.openapi({ example: 'active' }),
    store: StoreAddress.optional().openapi({ description: 'Shown to keys of the platform only.' }),
    createdAt: moment,
    updatedAt: moment,
    publishing: Publishing.optional().openapi({
      description: 'Shown on reading, to keys of the platform only.',
    }),
  })
  .openapi('Region');

export const regionParams = z.object({ id: regionId.openapi({ description: 'The id of a region.' }) });

export type RegionRow = typeof regions.$inferSelect;

export function toRegion(row: RegionRow, actor: Pick<Actor, 'tenantId'>): z.infer<typeof Region> {
  const { id, status, createdAt, updatedAt } = row;
  const store = actor.tenantId === null ? { store: toStoreAddress(row) } : {};
  return { id, status, ...store, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

export function toStoreAddress(row: RegionRow): z.infer<typeof StoreAddress> {
  return {
    ...(row.storeEndpoint === null ? {} : { endpoint: row.storeEndpoint }),
    ...(row.storeAwsRegion === null ? {} : { awsRegion: row.storeAwsRegion }),
    table: row.storeTable,
  };
}

/** A store's address as the columns of a region. */
export function storeColumns({ endpoint, awsRegion, table }: z.infer<typeof StoreAddress>) {
  return { storeEndpoint: endpoint ?? null, storeAwsRegion: awsRegion ?? null, storeTable: table };
}

/** The region's row, locked where a change is to follow. @throws ProblemError 404. */
export async function findRegion(db: Queryable, id: string, lock?: 'lock'): Promise<RegionRow> {
  const query = db.select().from(regions).where(eq(regions.id, id));
  const [row] = await (lock ? query.for('update') : query);
  return row ?? fail('NOT_FOUND');
}

/**
 * For work in a region that a body names: it stays until the transaction ends.
 * @throws ProblemError 422 where there is none, 409 where it is disabled.
 */
export async function lockRegionForWork(db: Queryable, id: string): Promise<void> {
  const [row] = await db
    .select({ status: regions.status })
    .from(regions)
    .where(eq(regions.id, id))
    .for('key share');
  if (!row) blame('REGION_UNKNOWN', '/region', `there is no region ${id}`);
  else if (row.status === 'disabled') fail('REGION_DISABLED');
}

/** @throws ProblemError 409 where another region has that very store: the two would overwrite each other. */
export async function checkStoreIsFree(
  db: Queryable,
  region: string,
  store: ReturnType<typeof storeColumns>,
): Promise<void> {
  const [other] = await db
    .select({ id: regions.id })
    .from(regions)
    .where(
      and(
        ne(regions.id, region),
        eq(regions.storeTable, store.storeTable),
        sql`${regions.storeEndpoint} is not distinct from ${store.storeEndpoint}`,
        sql`${regions.storeAwsRegion} is not distinct from ${store.storeAwsRegion}`,
      ),
    )
    .limit(1);
  if (other) fail('STORE_TAKEN', `The region ${other.id} uses this table at this address.`);
}
