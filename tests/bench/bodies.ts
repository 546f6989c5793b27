import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { allOf, newDemo, publish } from '../spoke/support/contexts.ts';
import { startUpstream } from '../spoke/support/upstream.ts';
import { startDynalite } from '../support/dynalite.ts';
import { freePort } from '../support/process.ts';
import { table } from './report.ts';

const piece = Buffer.alloc(256 * 1024, 'x');
const mebi = 1024 * 1024;

/**
 * Bodies of `bytes` through a gateway that is a process of its own, each way, and how much memory that takes: the
 * highest resident set while they pass, beside the one before.
 */
export async function bodies({ bytes }: { bytes: number }): Promise<void> {
  await using dynalite = await startDynalite();
  await using upstream = await startUpstream(async (incoming, outgoing) => {
    for await (const _chunk of incoming) {
      // counted by its framing: an upload that does not arrive whole ends with an error here
    }
    const wanted = Number(incoming.headers['x-want'] ?? 0);
    outgoing.writeHead(200, { 'content-length': wanted });
    await pipeline(pieces(wanted), outgoing);
  });
  await using store = DynamoStore.connect({
    ...{ table: 'spokecast-bench-bench', endpoint: dynalite.endpoint },
    ...{ clock: systemClock, random: systemRandom },
  });
  const owner = { environment: 'bench', region: 'bench', hubId: 'bench' };
  const { incarnation } = await store.initialise(owner, { shards: 4, newIncarnation: 'bench' });
  await store.setWhole(incarnation, true);
  const demo = newDemo();
  await publish(store, ...allOf(demo, 1, { upstreamUrl: upstream.url }));

  const port = await freePort();
  const bin = new URL('../../infra/bin/spokecast.js', import.meta.url).pathname;
  const gateway = spawn(process.execPath, [bin, 'gateway'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH,
      SPOKECAST_ENV: owner.environment,
      SPOKECAST_REGION: owner.region,
      SPOKECAST_PORT: String(port),
      SPOKECAST_STORE_ENDPOINT: dynalite.endpoint,
      SPOKECAST_LOG_LEVEL: 'warn',
      SPOKECAST_UPSTREAM_LOOPBACK: 'allowed',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
  });
  try {
    const url = `http://127.0.0.1:${port}/v1/clusters/${demo.clusterId}/`;
    const authorization = `Bearer ${demo.secret}`;
    const exchange = async (up: number, down: number, more: Record<string, string> = {}) => {
      const headers = { authorization, 'x-want': String(down), ...more };
      const outgoing = request(url, { method: 'PUT', headers, agent: false });
      const answered = once(outgoing, 'response');
      const sent = pipeline(pieces(up), outgoing);
      sent.catch(() => {}); // awaited below, unless there is no answer
      const [incoming] = (await answered) as [IncomingMessage];
      let received = 0;
      for await (const chunk of incoming) received += (chunk as Buffer).length;
      await sent;
      if (incoming.statusCode !== 200 || received !== down)
        throw new Error(`answered ${incoming.statusCode} with ${received} of ${down} bytes`);
    };
    await untilAnswers(() => exchange(1, 1));
    await exchange(64 * mebi, 64 * mebi); // warmed: buffers and compiled code are no part of a body

    const rows: string[][] = [];
    for (const [name, up, down, more] of [
      ['up', bytes, 0, {}],
      ['down', 0, bytes, {}],
      ['up, announcing trailers', bytes, 0, { trailer: 'x-checksum' }],
    ] as const) {
      const before = residentBytes(gateway.pid!);
      let highest = before;
      const over = new AbortController();
      const watching = (async () => {
        while (!over.signal.aborted) {
          highest = Math.max(highest, residentBytes(gateway.pid!));
          await systemClock.sleep(20, over.signal);
        }
      })();
      const startedAt = systemClock.monotonic();
      await exchange(up, down, more);
      const seconds = (systemClock.monotonic() - startedAt) / 1_000;
      over.abort();
      await watching;
      const inMebi = (count: number) => (count / mebi).toFixed(0);
      rows.push([name, inMebi(bytes / seconds), inMebi(before), inMebi(highest)]);
    }
    console.log(table([`${bytes / mebi} MiB`, 'MiB/s', 'MiB before', 'MiB at most'], rows));
  } finally {
    gateway.kill('SIGTERM');
  }
}

function pieces(bytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let left = bytes; left > 0; left -= piece.length)
        yield left < piece.length ? piece.subarray(0, left) : piece;
    })(),
  );
}

async function untilAnswers(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 200) throw error;
      await systemClock.sleep(50);
    }
  }
}

function residentBytes(pid: number): number {
  const kibi = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibi) * 1024;
}
