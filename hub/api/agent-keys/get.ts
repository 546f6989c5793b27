import { defineRoute } from '../../http/route.ts';
import { AgentKey, agentKeyParams, findAgentKey, toAgentKey } from './agent-key.ts';

export const getAgentKey = defineRoute({
  method: 'GET',
  path: '/v1/agent-keys/{id}',
  operationId: 'getAgentKey',
  tag: 'agent-keys',
  summary: 'Read an agent key',
  description: 'Without its secret, which nobody can read again.',
  operation: 'agent-keys.read',
  params: agentKeyParams,
  answer: { status: 200, description: 'The key.', schema: AgentKey },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const key = toAgentKey(await findAgentKey(db, actor, params.id));
    return { body: key, representation: key };
  },
});
