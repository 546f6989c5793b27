import { hash, timingSafeEqual } from 'node:crypto';
import type { Env, Hono } from 'hono';
import { isId } from '../../contexts/ids.ts';
import { plainAddress } from '../../contexts/networks.ts';
import { problemReply, toResponse } from '../replies.ts';
import { Requirements } from '../requirements.ts';
import type { Explainer } from './explainer.ts';

/** Outside of `/v1`, which load balancers hand on to agents. */
export const explainPath = '/debug/agent-keys/:id';

const wrongToken = problemReply(401, 'WRONG_TOKEN', "This needs the gateway's debug token", {
  detail: 'Send the value of SPOKECAST_DEBUG_TOKEN as "Authorization: Bearer <token>".',
  headers: { 'www-authenticate': 'Bearer realm="spokecast-debug"' },
});
const badKeyId = problemReply(400, 'BAD_KEY_ID', 'That is not the id of an agent key', {
  detail: 'An id is "aki_" and 26 letters and digits. A secret is none: it must not be written into a URL.',
});
const badAddress = problemReply(400, 'BAD_ADDRESS', 'That is not an address', {
  detail: 'Ask for one address of IPv4 or IPv6, such as "?address=192.0.2.7".',
});
const busy = problemReply(503, 'OVERLOADED', 'The store is being asked for somebody else', {
  headers: { 'retry-after': '1' },
});

/** Serves explanations to whoever shows the token. */
export function mountExplanations<Environment extends Env>(
  app: Hono<Environment>,
  { explainer, token }: { explainer: Explainer; token: string },
): void {
  const requirements = new Requirements();
  const expected = hash('sha256', token, 'buffer');
  app.get(explainPath, async (c) => {
    const shown = /^bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
    // Hashes are of one length, so neither that of the token nor where the two differ shows in the time it takes.
    if (!timingSafeEqual(hash('sha256', shown, 'buffer'), expected)) return toResponse(wrongToken);
    const id = c.req.param('id');
    if (!isId('agentKey', id)) return toResponse(badKeyId);
    const given = c.req.query('address');
    const address = given === undefined ? undefined : plainAddress(given);
    if (given !== undefined && address === undefined) return toResponse(badAddress);
    const requirement = requirements.read(new URL(c.req.url).search.slice(1));
    const askStore = c.req.query('store') === 'true';
    const explanation = await explainer.explain(id, { askStore, address, requirement });
    if (explanation === 'busy') return toResponse(busy);
    return c.json(explanation, 200, { 'cache-control': 'no-store' });
  });
}
