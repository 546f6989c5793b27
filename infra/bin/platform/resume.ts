import type { HubClient } from '../hub-client.ts';
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
    const names = new Set(intent.body.keys.map(({ name }) => name));
    const there = await keysOf(hub, intent.clusterId);
    const found = there.filter(({ name }) => names.has(name));
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

async function keysOf(hub: HubClient, clusterId: string) {
  const query = { clusterId, limit: 200 };
  return (await hub.list('listAgentKeys', Number.POSITIVE_INFINITY, { query })).items;
}

function nameOf({ tenant, cluster }: Intent): string {
  return `${tenant}/${cluster}`;
}
