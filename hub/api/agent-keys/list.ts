import { z } from '@hono/zod-openapi';
import { and } from 'drizzle-orm';
import { searched } from '../../data/search.ts';
import { equals } from '../../data/where.ts';
import { knownUnusedSince, lastUses } from '../../db/key-uses.ts';
import { agentKeys } from '../../db/schema.ts';
import { idOf, keyStatus, search } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { toAgentKey } from './agent-key.ts';
import { AgentKeyListed } from './use.ts';

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
    unusedSince: z.iso
      .datetime({ offset: true, error: 'must be a time like 2026-01-31T00:00:00Z' })
      .optional()
      .openapi({
        description:
          'That no gateway has let in since then. A key is left out while one of its regions has a gateway that does not tell, or tells only since later: of it, that is not known.',
        example: '2026-08-01T00:00:00Z',
      }),
  }),
  answer: {
    status: 200,
    description: 'A page of agent keys.',
    schema: pageOf('AgentKeyPage', AgentKeyListed),
  },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('agent-keys', query);
    const found = searched(
      { name: agentKeys.name, id: agentKeys.id, of: 'agentKey' },
      query.search,
      page.after,
    );
    const rows = await db
      .select()
      .from(agentKeys)
      .where(
        and(
          equals(agentKeys.tenantId, actor.tenantId ?? undefined),
          equals(agentKeys.tenantId, query.tenantId),
          equals(agentKeys.clusterId, query.clusterId),
          equals(agentKeys.status, query.status),
          found.where,
          query.unusedSince === undefined ? undefined : knownUnusedSince(query.unusedSince),
        ),
      )
      .orderBy(...found.order)
      .limit(page.limit + 1);
    const uses = await lastUses(
      db,
      rows.map(({ id }) => id),
    );
    const listed = (row: (typeof rows)[number]) => ({
      ...toAgentKey(row),
      lastUsedAt: uses.get(row.id)?.toISOString() ?? null,
    });
    return { body: pageFrom('agent-keys', page, rows, listed, found.place) };
  },
});
