import { z } from '@hono/zod-openapi';
import { and, desc, eq } from 'drizzle-orm';
import { newId } from '../../../contexts/ids.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import { brokenConstraint } from '../../data/errors.ts';
import type { Queryable } from '../../db/client.ts';
import { deletions } from '../../db/deletion-tables.ts';
import { type Deletion, keepDeleted, restoreDeleted } from '../../db/deletions.ts';
import { idOf, moment } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import type { Services } from '../../services.ts';

/** What was deleted, as the API shows it. */
export const DeletionView = z
  .strictObject({
    id: idOf('deletion'),
    resourceType: z.enum(['tenant', 'cluster']),
    resourceId: z.string().openapi({ example: 'vci_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    name: z
      .string()
      .openapi({ description: 'As it was called. The name is free meanwhile.', example: 'orders' }),
    tenantId: idOf('tenant'),
    clusters: z.int().openapi({ description: 'That come back with it, itself among them.' }),
    agentKeys: z.int().openapi({ description: 'That come back with it.' }),
    deletedAt: moment,
    purgeAt: moment.openapi({ description: 'Until then it can be brought back.' }),
  })
  .openapi('Deletion');

export function toDeletion(row: Deletion): z.infer<typeof DeletionView> {
  return { ...row, deletedAt: row.deletedAt.toISOString(), purgeAt: row.purgeAt.toISOString() };
}

/** Keeps what is about to be deleted for as long as the hub's configuration says. */
export async function keepForUndelete(
  { db, services }: { db: Queryable; services: Services },
  what: Pick<Deletion, 'resourceType' | 'resourceId' | 'name' | 'tenantId'>,
): Promise<void> {
  const id = newId('deletion', services.clock, services.random);
  await keepDeleted(db, { id, ...what }, services.undeleteDays);
}

/** The latest deletion of that resource, locked. @throws ProblemError 404, also for another tenant's. */
export async function findDeletion(
  db: Queryable,
  actor: Actor,
  resourceType: Deletion['resourceType'],
  resourceId: string,
): Promise<Deletion> {
  const [row] = await db
    .select()
    .from(deletions)
    .where(and(eq(deletions.resourceType, resourceType), eq(deletions.resourceId, resourceId)))
    .orderBy(desc(deletions.id))
    .limit(1)
    .for('update');
  if (!row || !sees(actor, row.tenantId))
    return fail('NOT_FOUND', 'There is no such deletion to take back; GET /v1/deletions lists them.');
  return row;
}

/** What may be in the way of bringing something back. */
export const undeleteProblems = [
  ...(['NOT_FOUND', 'NAME_TAKEN', 'REGION_UNKNOWN', 'REGION_NOT_ALLOWED'] as const),
  ...(['QUOTA_EXCEEDED', 'SECRET_TAKEN'] as const),
];

/** Brings it back, telling apart what is in its way since: a region that is gone, a secret that was imported again. */
export async function bringBack(db: Queryable, { id }: Pick<Deletion, 'id'>): Promise<void> {
  try {
    await restoreDeleted(db, id);
  } catch (error) {
    if (brokenConstraint(error) === 'placements_region_regions_id_fk')
      fail(
        'REGION_UNKNOWN',
        'It was placed in a region that is there no more. Add a region of that id, bring it back, and move it.',
      );
    if (brokenConstraint(error) === 'agent_keys_pkey')
      fail(
        'SECRET_TAKEN',
        'One of its keys was imported again since. Revoke that key, then bring this back.',
      );
    throw error;
  }
}
