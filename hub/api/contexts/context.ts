import { z } from '@hono/zod-openapi';
import { and, eq, sql } from 'drizzle-orm';
import { isContextKey } from '../../../contexts/keys.ts';
import { type ContextRef, type KindName, kindNames } from '../../../contexts/kinds/index.ts';
import type { Actor } from '../../auth/actor.ts';
import type { Queryable } from '../../db/client.ts';
import { agentKeys, clusters, heads, holdings } from '../../db/schema.ts';
import { moment, regionId } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';

export const contextParams = z.object({
  kind: z
    .enum(kindNames as [(typeof kindNames)[number], ...typeof kindNames])
    .openapi({ description: 'The kind of the context.', example: 'agent-key' }),
  key: z.string().refine(isContextKey).openapi({
    description:
      'What the context is looked up by: the id of the tenant, cluster or agent key; of the region, for its heartbeat.',
    example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz',
  }),
});

export const regionStates = [
  'in-sync',
  'missing',
  'stale',
  'corrupt',
  'orphan',
  'ahead',
  'held',
  'quarantined',
  'unreachable',
] as const;
export type RegionState = (typeof regionStates)[number];

const version = z.string().openapi({
  description: 'Epoch, revision and schema version; versions compare as text.',
  example: '000001.0000000000000042.0001',
});
const hash = z.string().openapi({
  description: 'SHA-256 over kind, key, version and body.',
  example: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
});

export const Derived = z
  .strictObject({
    state: z.enum(['live', 'gone', 'unknown', 'invalid']).openapi({
      description:
        '`gone`: the region is to hold nothing under this key; `unknown`: the hub has never heard of it; `invalid`: its content must not be published, and what the region holds stays.',
    }),
    version: version.nullable(),
    hash: hash.nullable(),
    body: z
      .record(z.string(), z.json())
      .nullable()
      .openapi({
        type: ['object', 'null'],
        additionalProperties: true,
        description: 'Without verifiers.',
        example: { clusterId: 'vci_01k9c0v8w1e4qafk3s7m2t6xhz', status: 'active' },
      }),
    reason: z.string().nullable().openapi({
      description: 'Why its content must not be published. Where it denies, a stand-in that does is live.',
      example: null,
    }),
  })
  .openapi('DerivedContext');

export const Stored = z
  .strictObject({
    state: z.enum(['live', 'tombstone', 'absent', 'corrupt']),
    version: version.nullable(),
    hash: hash.nullable(),
    builtAt: moment
      .nullable()
      .openapi({ description: "When the hub's snapshot was taken that it was built from." }),
    reason: z.string().nullable().openapi({ description: 'Why it is corrupt.', example: null }),
  })
  .openapi('StoredContext');

export const ContextView = z
  .strictObject({
    kind: z.string().openapi({ example: 'agent-key' }),
    key: z.string().openapi({ example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    head: z
      .strictObject({ revision: z.int().openapi({ example: 42 }), deleted: z.boolean(), changedAt: moment })
      .nullable()
      .openapi({ description: "The hub's ledger row; null where the hub has never heard of the context." }),
    regions: z.array(
      z.strictObject({
        region: regionId,
        state: z.enum(regionStates),
        detail: z
          .string()
          .nullable()
          .openapi({ description: 'Why it is held, quarantined, or unreachable.', example: null }),
        derived: Derived,
        stored: z.union([Stored, z.null()]).openapi({ description: 'Null where the store is unreachable.' }),
      }),
    ),
  })
  .openapi('Context');

export interface Head {
  revision: number;
  deleted: boolean;
  changedAt: Date;
}

export async function findHead(db: Queryable, { kind, key }: ContextRef): Promise<Head | undefined> {
  const [head] = await db
    .select()
    .from(heads)
    .where(and(eq(heads.kind, kind), eq(heads.key, key)));
  return head;
}

/**
 * The tenant a context belongs to; null where the hub does not know any more (an agent key that is deleted) or never
 * did. Such contexts are for keys of the platform.
 * @throws ProblemError 404 where that tenant is not the actor's.
 */
export async function tenantOfContext(
  db: Queryable,
  actor: Actor,
  { kind, key }: ContextRef,
): Promise<string | null> {
  const tenantId = kind === 'tenant' ? key : await tenantOfRow(db, kind, key);
  if (actor.tenantId !== null && actor.tenantId !== tenantId) fail('NOT_FOUND');
  return tenantId;
}

async function tenantOfRow(
  db: Queryable,
  kind: Exclude<KindName, 'tenant'>,
  key: string,
): Promise<string | null> {
  if (kind === 'heartbeat') return null;
  if (kind === 'agent-key') {
    const [row] = await db
      .select({ tenantId: agentKeys.tenantId })
      .from(agentKeys)
      .where(eq(agentKeys.id, key));
    return row?.tenantId ?? null;
  }
  const [row] = await db
    .select({
      tenantId: sql<string | null>`coalesce(
      (select ${clusters.tenantId} from ${clusters} where ${clusters.id} = ${key}),
      (select ${holdings.tenantId} from ${holdings} where ${holdings.clusterId} = ${key} limit 1))`,
    })
    .from(sql`(select 1) one`);
  return row?.tenantId ?? null;
}
