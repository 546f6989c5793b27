import { z } from '@hono/zod-openapi';
import { and, asc, eq, gt } from 'drizzle-orm';
import { beginsOrIs, equals } from '../../data/where.ts';
import { agentKeys, clusters } from '../../db/schema.ts';
import { idOf, keyStatus, search } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { AgentKey, agentKeyColumns, toAgentKey } from './agent-key.ts';

export const listAgentKeys = defineRoute({
  method: 'GET',
  path: '/v1/agent-keys',
  operationId: 'listAgentKeys',
  tag: 'agent-keys',
  summary: 'List agent keys, oldest first',
  description: "A tenant's key sees its own tenant's agent keys only.",
  operation: 'agent-keys.read',
  query: z.strictObject({
    ...pageQuery,
    clusterId: idOf('cluster').optional().openapi({ description: 'Of this cluster.' }),
    tenantId: idOf('tenant').optional().openapi({ description: 'Of this tenant.' }),
    status: keyStatus.optional().openapi({ description: 'In this status.' }),
    search: search.optional(),
  }),
  answer: { status: 200, description: 'A page of agent keys.', schema: pageOf('AgentKeyPage', AgentKey) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('agent-keys', query);
    const rows = await db
      .select(agentKeyColumns)
      .from(agentKeys)
      .innerJoin(clusters, eq(clusters.id, agentKeys.clusterId))
      .where(
        and(
          equals(clusters.tenantId, actor.tenantId ?? undefined),
          equals(clusters.tenantId, query.tenantId),
          equals(agentKeys.clusterId, query.clusterId),
          equals(agentKeys.status, query.status),
          beginsOrIs(agentKeys.name, agentKeys.id, query.search),
          page.after === undefined ? undefined : gt(agentKeys.id, page.after),
        ),
      )
      .orderBy(asc(agentKeys.id))
      .limit(page.limit + 1);
    return { body: pageFrom('agent-keys', page, rows, toAgentKey) };
  },
});
