import { Agent, request } from 'undici';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { percentile } from '../../replication/support/watching.ts';
import { count } from './printing.ts';

export interface LoadRequest {
  method: string;
  url: string;
  secret?: string;
  body?: unknown;
  /** The status of the answer. */
  wanted: number;
}

/** One thing that is asked for again and again, and how long it may take where that is said. */
export interface LoadOperation {
  name: string;
  goalMsP99?: number;
  /** One request, made anew each time; undefined where there is nothing yet that it could be about. */
  next(): LoadRequest | undefined;
  /** Is given what was answered. */
  answered?(body: { id?: string }): void;
}

export interface Measured {
  name: string;
  goalMsP99: number | undefined;
  latenciesMs: number[];
}

/**
 * So many callers at once, each with one request after another, of all operations by chance and equally often.
 * @throws where an answer has another status than wanted: what is refused is no load.
 */
export async function mixedLoad(
  operations: readonly LoadOperation[],
  { concurrency, seconds }: { concurrency: number; seconds: number },
): Promise<Measured[]> {
  const agent = new Agent({ connections: concurrency });
  const measured = operations.map(({ name, goalMsP99 }) => ({
    name,
    goalMsP99,
    latenciesMs: [] as number[],
  }));
  const endsAt = systemClock.monotonic() + seconds * 1000;
  const caller = async () => {
    while (systemClock.monotonic() < endsAt) {
      const at = Math.floor(systemRandom.fraction() * operations.length);
      const wish = operations[at]!.next();
      if (!wish) continue;
      const { method, url, secret, body, wanted } = wish;
      const startedAt = systemClock.monotonic();
      const answer = await request(url, {
        method: method as 'GET',
        dispatcher: agent,
        headers: {
          ...(secret ? { authorization: `Bearer ${secret}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      measured[at]!.latenciesMs.push(systemClock.monotonic() - startedAt);
      if (answer.statusCode !== wanted)
        throw new Error(
          `${operations[at]!.name}: ${method} ${url} was answered ${answer.statusCode} ${text}`,
        );
      operations[at]!.answered?.(text === '' ? {} : JSON.parse(text));
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, caller));
  } finally {
    await agent.close();
  }
  return measured;
}

/** A table of what was measured, each beside its goal and as a multiple of a bare loop's middle. */
export function printLoad(
  measured: readonly Measured[],
  seconds: number,
  bareMsP50: (name: string) => number,
): void {
  console.log(
    `  ${'operation'.padEnd(40)}${['count', 'rate/s', 'p50 ms', 'p99 ms', 'max ms', 'goal p99', 'x bare p50'].map((head) => head.padStart(11)).join('')}`,
  );
  for (const { name, latenciesMs, goalMsP99 } of measured) {
    if (latenciesMs.length === 0) continue;
    const [p50, p99, max] = [0.5, 0.99, 1].map((p) => percentile(latenciesMs, p)) as [number, number, number];
    const goal = goalMsP99 === undefined ? '' : `${p99 <= goalMsP99 ? '<' : 'OVER'} ${goalMsP99}`;
    const bare = bareMsP50(name);
    const figures = [
      count(latenciesMs.length),
      (latenciesMs.length / seconds).toFixed(0),
      ...[p50, p99, max].map((ms) => ms.toFixed(1)),
      goal,
      Number.isNaN(bare) ? '' : (p50 / bare).toFixed(1),
    ];
    console.log(`  ${name.padEnd(40)}${figures.map((figure) => figure.padStart(11)).join('')}`);
  }
  const all = measured.reduce((sum, { latenciesMs }) => sum + latenciesMs.length, 0);
  console.log(`  ${'all'.padEnd(40)}${count(all).padStart(11)}${(all / seconds).toFixed(0).padStart(11)}`);
}
