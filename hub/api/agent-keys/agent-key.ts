import { z } from '@hono/zod-openapi';
import { and, eq, getTableColumns } from 'drizzle-orm';
import { permissionName, permissionNameRule, permissionsMax } from '../../../contexts/permissions.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { agentKeys, clusters } from '../../db/schema.ts';
import { expiresAt, idOf, keyStatus, moment, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';

export const permissions = z
  .array(z.string().regex(permissionName, permissionNameRule))
  .max(permissionsMax, `must have at most ${permissionsMax} permissions`)
  .refine((list) => new Set(list).size === list.length, 'must not name a permission twice')
  .openapi({
    description:
      'What the key may do, in the words of the metadata store; gateways pass them on and check them where they are asked to (`?require=`).',
    example: ['read', 'write'],
  });

const fields = {
  id: idOf('agentKey'),
  clusterId: idOf('cluster'),
  tenantId: idOf('tenant'),
  name: name.openapi({ example: 'agent 7' }),
  status: keyStatus.openapi({ description: '`disabled`: gateways refuse it with 403.' }),
  expiresAt,
  permissions,
  createdAt: moment,
  updatedAt: moment,
};

/** An agent key as the API shows it: neither its secret nor its verifier is in it. */
export const AgentKey = z.strictObject(fields).openapi('AgentKey');

export const AgentKeyCreated = z
  .strictObject({
    ...fields,
    secret: z.string().optional().openapi({
      description: 'What the agent sends. Shown this once; absent from a replay.',
      example: 'spk_01k9c0v8w1e4qafk3s7m2t6xhz_...',
    }),
    secretOmitted: z.literal(true).optional().openapi({
      description:
        'This is the replay of an earlier answer, and secrets are not kept. Create another key if that answer is lost.',
    }),
  })
  .openapi('AgentKeyCreated');

export const agentKeyParams = z.object({ id: idOf('agentKey') });

export const agentKeyColumns = { ...getTableColumns(agentKeys), tenantId: clusters.tenantId };
export type AgentKeyRow = typeof agentKeys.$inferSelect & { tenantId: string };

export function toAgentKey(row: AgentKeyRow): z.infer<typeof AgentKey> {
  const { id, clusterId, tenantId, name, status, permissions } = row;
  return {
    ...{ id, clusterId, tenantId, name, status, permissions },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** The key's row, locked where a change is to follow. @throws ProblemError 404, also for another tenant's. */
export async function findAgentKey(
  db: Queryable,
  actor: Actor,
  id: string,
  lock?: 'lock',
): Promise<AgentKeyRow> {
  const query = db
    .select(agentKeyColumns)
    .from(agentKeys)
    .innerJoin(clusters, eq(clusters.id, agentKeys.clusterId))
    .where(and(eq(agentKeys.id, id)));
  const [row] = await (lock ? query.for('update', { of: agentKeys }) : query);
  if (!row || !sees(actor, row.tenantId)) return fail('NOT_FOUND');
  return row;
}
