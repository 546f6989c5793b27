import type postgres from 'postgres';
import { Agent, request } from 'undici';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { percentile } from '../../replication/support/watching.ts';
import type { RigStore } from './rig.ts';

/** Asking costs time of the two cores that everything shares here; it adds half of itself to what is measured. */
const askEveryMs = 3;

/** The way of one change, as the store sees it: what it is asked for one after another. The last is the agent's. */
const steps = [
  ['to the store', 'UpdateItem', 'meta'],
  ['put', 'PutItem', 'agent-key#'],
  ['announced', 'PutItem', 'feed'],
  ['polled and filled', 'BatchGetItem', ''],
] as const;

export interface Latencies {
  /** From the commit's return until the gateway answers with it, one number a change. */
  latenciesMs: number[];
  /** The middle of what each step of the way took, where a store was given, in words. */
  steps: string;
}

/**
 * Commit to gateway: changes one key's permissions by SQL, again and again, and each time asks the gateway until it
 * answers with them. With a `store` that nobody else writes to, also how that time is spent.
 */
export async function commitToGateway(
  sql: postgres.Sql,
  gatewayUrl: string,
  key: { id: string; secret: string },
  options: { changes: number; pauseMs: number; store?: RigStore },
): Promise<Latencies> {
  const agent = new Agent({ connections: 2 });
  const permissions = async (): Promise<string> => {
    const { body } = await request(`${gatewayUrl}/v1/authenticate`, {
      headers: { authorization: `Bearer ${key.secret}` },
      dispatcher: agent,
    });
    return ((await body.json()) as { permissions: string[] }).permissions.join();
  };
  const latenciesMs: number[] = [];
  const spentMs: number[][] = [];
  try {
    for (let i = 0; i < options.changes; i++) {
      const name = `c${i}.${Math.round(systemClock.now())}`;
      await options.store?.recent();
      await sql`update agent_keys set permissions = ${[name]} where id = ${key.id}`;
      const committedAt = systemClock.monotonic();
      const committedAtMs = performance.timeOrigin + performance.now();
      do {
        if (systemClock.monotonic() - committedAt > 30_000) throw new Error(`change ${i} does not arrive`);
        await systemClock.sleep(askEveryMs);
      } while ((await permissions()) !== name);
      latenciesMs.push(systemClock.monotonic() - committedAt);
      const seenAtMs = performance.timeOrigin + performance.now();
      if (options.store) spentMs.push(spent(committedAtMs, await options.store.recent(), seenAtMs));
      await systemClock.sleep(systemRandom.fraction() * options.pauseMs); // no lockstep with the polls
    }
  } finally {
    await agent.close();
  }
  return { latenciesMs, steps: inWords(spentMs) };
}

/** Milliseconds of each step, and last until the agent saw it. A step that was not seen counts with the next. */
function spent(committedAtMs: number, asked: Awaited<ReturnType<RigStore['recent']>>, seenAtMs: number) {
  let at = committedAtMs;
  const took = steps.map(([, operation, names]) => {
    const found = asked.find(
      ([atMs, ...one]) => atMs >= at && one[0] === operation && one[1].startsWith(names),
    );
    const ms = found ? found[0] - at : 0;
    at += ms;
    return ms;
  });
  return [...took, seenAtMs - at];
}

function inWords(spentMs: readonly number[][]): string {
  if (spentMs.length === 0) return '';
  return [...steps.map(([name]) => name), 'seen']
    .map(
      (name, step) =>
        `${name} ${percentile(
          spentMs.map((one) => one[step]!),
          0.5,
        ).toFixed(1)}`,
    )
    .join('   ');
}
