import { usesOf } from '../../db/key-uses.ts';
import { defineRoute } from '../../http/route.ts';
import { agentKeyParams, findAgentKey, toAgentKey } from './agent-key.ts';
import { AgentKeyWithUses, toUses } from './use.ts';

export const getAgentKey = defineRoute({
  method: 'GET',
  path: '/v1/agent-keys/{id}',
  operationId: 'getAgentKey',
  tag: 'agent-keys',
  summary: 'Read an agent key',
  description:
    'Without its secret, which nobody can read again. With where it was last used, region by region, as the gateways there tell.',
  operation: 'agent-keys.read',
  params: agentKeyParams,
  answer: { status: 200, description: 'The key.', schema: AgentKeyWithUses },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const key = toAgentKey(await findAgentKey(db, actor, params.id));
    const body = { ...key, ...toUses(key, await usesOf(db, key.id)) };
    return { body, representation: key };
  },
});
