import type postgres from 'postgres';
import { Agent, request } from 'undici';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';

/** Asking costs time of the two cores that everything shares here; it adds half of itself to what is measured. */
const askEveryMs = 3;

/**
 * Commit to gateway: changes one key's permissions by SQL, again and again, and each time asks the gateway until it
 * answers with them. Milliseconds from the commit's return, one number a change.
 */
export async function commitToGateway(
  sql: postgres.Sql,
  gatewayUrl: string,
  key: { id: string; secret: string },
  options: { changes: number; pauseMs: number },
): Promise<number[]> {
  const agent = new Agent({ connections: 2 });
  const permissions = async (): Promise<string> => {
    const { body } = await request(`${gatewayUrl}/v1/authenticate`, {
      headers: { authorization: `Bearer ${key.secret}` },
      dispatcher: agent,
    });
    return ((await body.json()) as { permissions: string[] }).permissions.join();
  };
  const latenciesMs: number[] = [];
  try {
    for (let i = 0; i < options.changes; i++) {
      const name = `c${i}.${Math.round(systemClock.now())}`;
      await sql`update agent_keys set permissions = ${[name]} where id = ${key.id}`;
      const committedAt = systemClock.monotonic();
      do {
        if (systemClock.monotonic() - committedAt > 30_000) throw new Error(`change ${i} does not arrive`);
        await systemClock.sleep(askEveryMs);
      } while ((await permissions()) !== name);
      latenciesMs.push(systemClock.monotonic() - committedAt);
      await systemClock.sleep(systemRandom.fraction() * options.pauseMs); // no lockstep with the polls
    }
  } finally {
    await agent.close();
  }
  return latenciesMs;
}
