import { idPrefixes } from '../../../contexts/ids.ts';
import { type HubClient, HubRequestError } from '../hub-client.ts';
import { isStatus, type Runner } from './runner.ts';
import type { Intent, Secrets } from './secrets.ts';

/**
 * Looks after the keys that an earlier run may have made without keeping their secrets: it was killed between the two.
 * The same request again tells which keys it made. Those whose secret is nowhere are given another; the first was told
 * to nobody who kept it.
 */
export async function resume(
  hub: HubClient,
  secrets: Secrets,
  runner: Runner,
  say: (line: string) => void,
): Promise<void> {
  if (secrets.left.length === 0) return;
  const kept = secrets.kept();
  for (const intent of secrets.left) {
    let found = await keysOf(hub, intent);
    if (found.length === 0 && (await wasMade(hub, intent))) found = await keysOf(hub, intent);
    if (found.length === 0 || found.every(({ id }) => kept.has(id))) {
      await secrets.crossOut(intent); // never made, gone again, or kept
      continue;
    }
    try {
      const made = await runner.createdKeys(intent);
      await runner.keepSecrets(intent, made);
      say(
        `${nameOf(intent)}: ${made.length} agent keys that an earlier run had made were given new secrets.`,
      );
    } catch (error) {
      if (!wasNotMade(error)) throw error;
      await secrets.crossOut(intent);
      say(
        `${nameOf(intent)}: an earlier run may have made ${found.map(({ id }) => id).join(', ')} and not kept the secrets; whether it was that run, the hub cannot tell any more. If nobody has them: spokecast agent-keys rotate <id>`,
      );
    }
  }
}

/** What was made by that request would be told again; what is refused now was not, or longer ago than the hub remembers. */
function wasNotMade(error: unknown): boolean {
  return [400, 404, 409, 422].some((status) => isStatus(error, status));
}

/** The keys of that cluster that have the names of these. */
async function keysOf(hub: HubClient, { clusterId, body }: Intent) {
  const names = new Set(body.keys.map(({ name }) => name));
  const query = { clusterId, limit: 200 };
  const { items } = await hub.list('listAgentKeys', Number.POSITIVE_INFINITY, { query });
  return items.filter(({ name }) => names.has(name));
}

/**
 * Whether the hub has done the request, or was at it and has now ended. It may still be at work for a run that was
 * killed a moment ago, with keys that no list shows yet. So another request is sent with the same idempotency key, for
 * a cluster that nobody has: the hub has it wait for the first, and refuses it for its key or for its cluster.
 */
async function wasMade(hub: HubClient, { request, body }: Intent): Promise<boolean> {
  const path = { id: `${idPrefixes.cluster}_${'0'.repeat(26)}` };
  try {
    await hub.send('createAgentKeys', { path, body, headers: { 'idempotency-key': request } });
  } catch (error) {
    if (error instanceof HubRequestError && error.code === 'IDEMPOTENCY_KEY_REUSED') return true;
    if (!wasNotMade(error)) throw error;
  }
  return false;
}

function nameOf({ tenant, cluster }: Intent): string {
  return `${tenant}/${cluster}`;
}
