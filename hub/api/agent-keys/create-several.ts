import { z } from '@hono/zod-openapi';
import { and, eq, inArray } from 'drizzle-orm';
import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { writeAudit } from '../../data/audit.ts';
import { checkedExpiry } from '../../data/expiry.ts';
import type { Queryable } from '../../db/client.ts';
import { agentKeys } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { clusterParams, lockCluster } from '../clusters/cluster.ts';
import { AgentKeyCreated, toAgentKey } from './agent-key.ts';
import { newKeyFields, newKeyRow } from './new-key.ts';

/** Keys of one request. More would hold the cluster's lock for longer than others should wait. */
const keysMax = 50;

const body = z
  .strictObject({
    keys: z
      .array(z.strictObject(newKeyFields))
      .min(1, 'must name at least one key')
      .max(keysMax, `must have at most ${keysMax} keys`)
      .superRefine((list, issues) => {
        const seen = new Set<string>();
        for (const [index, { name }] of list.entries()) {
          if (seen.has(name))
            issues.addIssue({ code: 'custom', path: [index, 'name'], message: 'is named a second time' });
          seen.add(name);
        }
      }),
  })
  .openapi('AgentKeysCreate', {
    example: { keys: [{ name: 'agent 7', permissions: ['read'] }, { name: 'agent 8' }] },
  });

const AgentKeysCreated = z
  .strictObject({ items: z.array(AgentKeyCreated).openapi({ description: 'In the order of the request.' }) })
  .openapi('AgentKeysCreated');

export const createAgentKeys = defineRoute({
  method: 'POST',
  path: '/v1/clusters/{id}/agent-keys',
  operationId: 'createAgentKeys',
  tag: 'agent-keys',
  summary: 'Create several agent keys of a cluster, all or none',
  description: `Up to ${keysMax}. Unlike one key alone they are refused where the cluster has a key of one of the names, so that two programs that make the same keys at once do not make them twice. The answer holds the secrets, this once.`,
  operation: 'agent-keys.write',
  params: clusterParams,
  body,
  answer: { status: 201, description: 'The keys with their secrets.', schema: AgentKeysCreated },
  problems: ['NOT_FOUND', 'NAME_TAKEN', 'QUOTA_EXCEEDED'],
  async handle(call) {
    const { db, actor, services } = call;
    const { clock, random } = services;
    const { keys } = call.body;
    const expiries = keys.map(
      ({ expiresAt }, index) => checkedExpiry(expiresAt, clock, `/keys/${index}/expiresAt`) ?? null,
    );
    const cluster = await lockCluster(db, actor, call.params.id);
    await checkNamesAreFree(db, cluster.id, keys);

    const secrets = new Map<string, string>();
    const rows = keys.map((given, index) => {
      const id = newId('agentKey', clock, random);
      const secret = newSecret('agentKey', id, random);
      secrets.set(id, secret);
      const { id: clusterId, tenantId } = cluster;
      const expiry = expiries[index]!;
      return newKeyRow(given, { id, verifier: verifierOf(secret), clusterId, tenantId, expiry });
    });
    const inserted = await db.insert(agentKeys).values(rows).returning();
    const made = rows.map(({ id }) => toAgentKey(inserted.find((row) => row.id === id)!));
    const entries = made.map((key) => ({
      action: 'create' as const,
      resourceType: 'agent-key' as const,
      ...{ resourceId: key.id, tenantId: key.tenantId, after: key },
    }));
    await writeAudit(call, entries[0]!, ...entries.slice(1));
    return {
      body: { items: made.map((key) => ({ ...key, secret: secrets.get(key.id)! })) },
      representation: { items: made },
      replay: { items: made.map((key) => ({ ...key, secretOmitted: true as const })) },
    };
  },
});

/** The cluster is locked: no other key of it is made before this transaction ends. @throws ProblemError 409 naming all. */
async function checkNamesAreFree(
  db: Queryable,
  clusterId: string,
  keys: readonly { name: string }[],
): Promise<void> {
  const names = keys.map(({ name }) => name);
  const found = await db
    .select({ name: agentKeys.name })
    .from(agentKeys)
    .where(and(eq(agentKeys.clusterId, clusterId), inArray(agentKeys.name, names)));
  const taken = new Set(found.map(({ name }) => name));
  if (taken.size === 0) return;
  const errors = keys.flatMap(({ name }, index) =>
    taken.has(name)
      ? [
          {
            pointer: `/keys/${index}/name`,
            detail: `an agent key of this cluster is called ${JSON.stringify(name)}`,
          },
        ]
      : [],
  );
  fail('NAME_TAKEN', { detail: errors.map(({ detail }) => detail).join('; '), errors });
}
