import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { timestamp } from '../../../contexts/base/clock.ts';
import { networksMax, parseNetwork } from '../../../contexts/networks.ts';
import { permissionName, permissionNameRule, permissionsMax } from '../../../contexts/permissions.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import { retiringOf } from '../../db/agent-key-bounds.ts';
import type { Queryable } from '../../db/client.ts';
import { agentKeys, clusters } from '../../db/schema.ts';
import { expiresAt, idOf, keyStatus, moment, name } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';

export const permissions = z
  .array(z.string().regex(permissionName, permissionNameRule))
  .max(permissionsMax, `must have at most ${permissionsMax} permissions`)
  .refine((list) => new Set(list).size === list.length, 'must not name a permission twice')
  .openapi({
    description:
      'What the key may do, in the words of the metadata store; gateways pass them on and check them where they are asked to (`?require=`).',
    example: ['read', 'write'],
  });

const network = z
  .string()
  .max(64, 'must be a network like 10.0.0.0/8 or 2001:db8::/32')
  .superRefine((text, issues) => {
    const parsed = parseNetwork(text);
    if (parsed.outcome === 'invalid') issues.addIssue({ code: 'custom', message: parsed.problem });
  })
  .overwrite((text) => {
    const parsed = parseNetwork(text);
    return parsed.outcome === 'network' ? parsed.canonical : text;
  });

export const allowedNetworks = z
  .array(network)
  .min(1, 'must not be empty; null is anywhere, and nobody is `status: disabled`')
  .max(networksMax, `must have at most ${networksMax} networks`)
  .refine((list) => new Set(list).size === list.length, 'must not name a network twice')
  .nullable()
  .openapi({
    description:
      'Networks that the key may be used from; from elsewhere gateways refuse it with 403 `FORBIDDEN`. null for anywhere.',
    example: null,
  });

export const rateLimit = z
  .strictObject({
    limit: z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(1_000_000, 'must be at most 1000000')
      .openapi({ description: 'Requests that are granted in a window.' }),
    windowMs: z
      .int('must be a whole number')
      .min(1_000, 'must be at least 1000, a second')
      .max(86_400_000, 'must be at most 86400000, a day')
      .multipleOf(1_000, 'must be whole seconds: the RateLimit header knows no smaller unit')
      .openapi({ description: 'Milliseconds, in whole seconds.' }),
  })
  .nullable()
  .openapi({
    description:
      'How many requests each gateway grants the key; beyond it refuses with 429 `RATE_LIMITED`. null for any number.',
    example: null,
  });

const fields = {
  id: idOf('agentKey'),
  clusterId: idOf('cluster'),
  tenantId: idOf('tenant'),
  name: name.openapi({ example: 'agent 7' }),
  status: keyStatus.openapi({ description: '`disabled`: gateways refuse it with 403.' }),
  expiresAt,
  permissions,
  allowedNetworks,
  rateLimit,
  retiring: z.array(z.strictObject({ endsAt: moment })).openapi({
    example: [],
    description:
      'The secrets before the present one, the latest first: when each stops to work, or did. Kept until the next rotation.',
  }),
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
        'This is the replay of an earlier answer, and secrets are not kept. Rotate the key if that answer is lost.',
    }),
  })
  .openapi('AgentKeyCreated');

export const agentKeyParams = z.object({
  id: idOf('agentKey').openapi({ description: 'The id of an agent key.' }),
});

export type AgentKeyRow = typeof agentKeys.$inferSelect;

export function toAgentKey(row: AgentKeyRow): z.infer<typeof AgentKey> {
  const { id, clusterId, tenantId, name, status, permissions, allowedNetworks } = row;
  return {
    ...{ id, clusterId, tenantId, name, status, permissions, allowedNetworks },
    rateLimit:
      row.rateLimit === null || row.rateWindowMs === null
        ? null
        : { limit: row.rateLimit, windowMs: row.rateWindowMs },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    retiring: retiringOf(row.retiring).map(({ endsAtMs }) => ({ endsAt: timestamp(endsAtMs) })),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/**
 * Makes sure that the cluster of a new key is there for the actor, and stays until the transaction ends. Returns whose
 * it is.
 * @throws ProblemError 404, also for another tenant's.
 */
export async function requireCluster(db: Queryable, actor: Actor, clusterId: string): Promise<string> {
  const [cluster] = await db
    .select({ tenantId: clusters.tenantId })
    .from(clusters)
    .where(eq(clusters.id, clusterId))
    .for('key share');
  if (!cluster || !sees(actor, cluster.tenantId))
    return blame('NOT_FOUND', '/clusterId', `there is no cluster ${clusterId}`);
  return cluster.tenantId;
}

/** The key's row, locked where a change is to follow. @throws ProblemError 404, also for another tenant's. */
export async function findAgentKey(
  db: Queryable,
  actor: Actor,
  id: string,
  lock?: 'lock',
): Promise<AgentKeyRow> {
  const query = db.select().from(agentKeys).where(eq(agentKeys.id, id));
  const [row] = await (lock ? query.for('update') : query);
  if (!row || !sees(actor, row.tenantId)) return fail('NOT_FOUND');
  return row;
}
