import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { settleBounded } from '../../../contexts/base/bounded.ts';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import type { GatewayStatus } from '../../../contexts/store.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import { type Dynalite, startDynalite } from '../../support/dynalite.ts';
import { isAlive } from '../../support/process.ts';
import { allOf, type Demo, gone, initialise, keyContext, newDemo, publish } from '../support/contexts.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { startUpstream } from '../support/upstream.ts';

/** A gateway of two workers, its primary and both of them real processes, over a real store. */
const table = 'spokecast-test-workers';
const patience = { timeout: 30_000, interval: 20 };
let dynalite: Dynalite;
let store: DynamoStore;
let directory: string;
let group: GatewayProcess;
let demos: Demo[];
let late: Demo[];

const start = (endpoint?: string, port?: number) =>
  GatewayProcess.start({
    ...(port === undefined ? {} : { port }),
    ...(endpoint === undefined ? {} : { endpoint }),
    table,
    env: {
      SPOKECAST_WORKERS: '2',
      SPOKECAST_SNAPSHOT_DIR: directory,
      SPOKECAST_SNAPSHOT_EVERY_MS: '200',
      SPOKECAST_REHEARSAL_EVERY_MS: '0',
      SPOKECAST_SHUTDOWN_MS: '2000',
      SPOKECAST_STATUS_EVERY_MS: '500',
    },
  });

/** Every worker that has begun to serve, in order. */
function served({ output }: GatewayProcess): { worker: number; pid: number }[] {
  return output.split('\n').flatMap((line) => {
    if (!line.includes('"a worker serves"')) return [];
    return [JSON.parse(line) as { worker: number; pid: number }];
  });
}
const alive = (of: GatewayProcess) => served(of).filter(({ pid }) => isAlive(pid));

beforeAll(async () => {
  dynalite = await startDynalite();
  store = DynamoStore.connect({
    table,
    endpoint: dynalite.endpoint,
    clock: systemClock,
    random: systemRandom,
  });
  await initialise(store);
  demos = Array.from({ length: 40 }, newDemo);
  await publish(store, ...demos.flatMap((demo) => allOf(demo, 1)));
  directory = await mkdtemp(join(tmpdir(), 'spokecast-workers-'));
  group = await start(dynalite.endpoint);
  await group.ready(60_000);
  await vi.waitFor(() => expect(alive(group)).toHaveLength(2), patience);
});
afterAll(async () => {
  await group?.end('SIGTERM');
  await store?.[Symbol.asyncDispose]();
  await dynalite?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true, maxRetries: 10 });
});

/** One request; what came of it in a word: the status, or the error's code. */
function ask(url: string, secret: string, agent: Agent | false): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(url, {
      agent: agent === false ? new Agent() : agent,
      headers: { authorization: `Bearer ${secret}` },
    });
    outgoing.on('response', (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve(String(incoming.statusCode)));
      incoming.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    outgoing.end();
  });
}

/** Asks without a pause, half of it over connections that are kept, until told to stop. Returns what came of it, counted. */
function load(url: string, { kept }: { kept: number }) {
  const counts = new Map<string, number>();
  const over = new AbortController();
  const agent = new Agent({ keepAlive: true });
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let n = client; !over.signal.aborted; n++) {
      const outcome = await ask(
        `${url}/v1/authenticate`,
        demos[n % demos.length]!.secret,
        client < kept ? agent : false,
      );
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (client >= kept) await systemClock.sleep(2); // a connection each: ports are not to run out
    }
  });
  return {
    counts,
    async stop() {
      over.abort();
      await Promise.all(clients);
      agent.destroy();
      return Object.fromEntries(counts);
    },
  };
}

describe('a gateway of several workers', () => {
  test('answers as one: one port, one report, one set of numbers', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const url = `${group.url}/v1/authenticate`;
    await settleBounded(demos, 16, async ({ secret }) => expect(await ask(url, secret, agent)).toBe('200'));
    const before = await granted(group);
    for (let n = 0; n < 100; n++)
      expect(await ask(url, demos[n % 40]!.secret, n % 2 === 0 ? agent : false)).toBe('200');
    agent.destroy();
    expect((await granted(group)) - before).toBe(100);
    expect(await group.metric('spokecast_workers')).toBe(2);
    const reports = await store.listGateways(systemClock.now());
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ region: 'eu-west-1', degraded: false });
  });

  test('[law 6] says that a revocation is in force only once it is in every worker', async () => {
    const demo = newDemo();
    await publish(store, ...allOf(demo, 1));
    const url = `${group.url}/v1/authenticate`;
    for (let n = 0; n < 20; n++) expect(await ask(url, demo.secret, false)).toBe('200');
    const [frozen] = alive(group);
    process.kill(frozen!.pid, 'SIGSTOP');
    try {
      await publish(store, gone('agent-key', demo.keyId, 2));
      const { number } = await store.readFeedHead();
      const since = systemClock.now();
      const report = await reported((one) => one.reportedAtMs > since + 500); // the other one has heard of it by far
      expect(report.watermark).toBeLessThan(number);
      process.kill(frozen!.pid, 'SIGCONT');
      await reported(({ watermark }) => watermark >= number);
    } finally {
      process.kill(frozen!.pid, 'SIGCONT');
    }
    for (let n = 0; n < 20; n++) expect(await ask(url, demo.secret, false)).toBe('401');
  });

  test('[law 5] replaces a worker that is killed: nobody is refused a connection', async () => {
    for (const victims of [1, 2]) {
      const before = alive(group);
      const under = load(group.url, { kept: 4 });
      await vi.waitFor(() => expect(under.counts.get('200') ?? 0).toBeGreaterThan(100), patience);
      const killed = before.slice(0, victims).map(({ pid }) => pid);
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      await vi.waitFor(() => expect(killed.filter(isAlive)).toEqual([]), patience);
      await vi.waitFor(() => expect(alive(group)).toHaveLength(2), patience);
      const sofar = under.counts.get('200') ?? 0;
      await vi.waitFor(() => expect(under.counts.get('200') ?? 0).toBeGreaterThan(sofar + 100), patience);
      const { '200': answered, ...others } = await under.stop();
      expect(answered).toBeGreaterThan(200);
      // What was open to the process that was killed went with it: one request a client at the most, each time.
      expect(Object.keys(others).filter((outcome) => outcome !== 'ECONNRESET')).toEqual([]);
      expect(others.ECONNRESET ?? 0).toBeLessThanOrEqual(8);
    }
    expect(await group.metric('spokecast_worker_ends_total{how="crashed"}')).toBe(3);
  });

  test('counts a limited key for all workers together, also when one is killed', async () => {
    const demo = newDemo();
    const rateLimit = { limit: 20, windowMs: 86_400_000 }; // so that nothing comes back while this test runs
    await publish(store, ...allOf(demo, 1), keyContext(demo, 2, { rateLimit }));
    const url = `${group.url}/v1/authenticate`;
    const outcomes: string[] = [];
    const askOften = async (times: number) => {
      const asked = Array.from({ length: times }, (_, n) => n);
      for (const one of await settleBounded(asked, 8, () => ask(url, demo.secret, false)))
        outcomes.push(one.status === 'fulfilled' ? one.value : String(one.reason));
    };
    const alone = async () => (await group.metric('spokecast_rate_limit_alone_total')) ?? 0;
    const aloneBefore = await alone();
    await askOften(30);
    const aloneThen = (await alone()) - aloneBefore; // of the one that is killed, too
    const [victim] = alive(group);
    process.kill(victim!.pid, 'SIGKILL');
    await vi.waitFor(() => expect(isAlive(victim!.pid)).toBe(false), patience);
    await vi.waitFor(() => expect(alive(group)).toHaveLength(2), patience);
    await askOften(30);
    const aloneAll = Math.max(aloneThen, (await alone()) - aloneBefore);
    const granted = outcomes.filter((outcome) => outcome === '200').length;
    expect(outcomes.filter((outcome) => outcome === '429')).toHaveLength(60 - granted);
    expect(granted).toBeGreaterThanOrEqual(20);
    // On a machine so loaded that the primary does not answer in time, workers count alone, and say so.
    expect(granted).toBeLessThanOrEqual(20 + aloneAll);
  });

  test('follows SIGHUP with new workers, and not one request fails; its counters go on', async () => {
    const before = alive(group).map(({ pid }) => pid);
    const counted = await granted(group);
    const under = load(group.url, { kept: 6 });
    await vi.waitFor(() => expect(under.counts.get('200') ?? 0).toBeGreaterThan(100), patience);
    process.kill(group.pid, 'SIGHUP');
    await vi.waitFor(() => expect(group.output).toContain('"all workers are replaced"'), patience);
    await vi.waitFor(() => expect(before.filter(isAlive)).toEqual([]), patience);
    const sofar = under.counts.get('200') ?? 0;
    await vi.waitFor(() => expect(under.counts.get('200') ?? 0).toBeGreaterThan(sofar + 100), patience);
    const outcomes = await under.stop();
    expect(Object.keys(outcomes)).toEqual(['200']);
    expect(alive(group)).toHaveLength(2);
    expect((await granted(group)) - counted).toBe(outcomes['200']);
  });

  test('[law 5] keeps in one snapshot what any worker holds', async () => {
    late = Array.from({ length: 40 }, newDemo);
    await publish(store, ...late.flatMap((demo) => allOf(demo, 1)));
    for (let first = 0; first < 40; first += 5) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 }); // so that only one worker is asked
      for (const { secret } of late.slice(first, first + 5))
        expect(await ask(`${group.url}/v1/authenticate`, secret, agent)).toBe('200');
      agent.destroy();
    }
    await reported(({ cachedContexts }) => cachedContexts >= 3 * 80);
  });

  test('ends on SIGTERM after what is under way, and says that it leaves', async () => {
    let arrived!: () => void;
    const reached = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let finish!: () => void;
    await using upstream = await startUpstream((_incoming, outgoing) => {
      finish = () => outgoing.end('late');
      arrived();
    });
    const demo = newDemo();
    await publish(store, ...allOf(demo, 1, { upstreamUrl: upstream.url }));
    const slow = ask(`${group.url}/v1/clusters/${demo.clusterId}/x`, demo.secret, false);
    await reached;
    const pids = alive(group).map(({ pid }) => pid);
    const ended = group.end('SIGTERM');
    await vi.waitFor(
      async () => expect(await ask(`${group.url}/healthz`, '', false)).toBe('ECONNREFUSED'),
      patience,
    );
    finish();
    expect(await slow).toBe('200');
    await ended;
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await store.listGateways(systemClock.now())).toEqual([]);
  });

  test('[law 5] starts again without its store with what any worker held, and at once after it was killed', async () => {
    await using again = await start();
    await again.ready(60_000);
    await vi.waitFor(() => expect(alive(again)).toHaveLength(2), patience);
    const url = `${again.url}/v1/authenticate`;
    const told = await settleBounded([...demos, ...late, ...late, ...late], 8, ({ secret }) =>
      ask(url, secret, false),
    );
    expect(new Set(told.map((one) => (one.status === 'fulfilled' ? one.value : one.reason)))).toEqual(
      new Set(['200']),
    );

    // Its first process is killed, and one of its workers holds the port: the next gateway waits for it.
    const { pid } = alive(again).at(-1)!;
    process.kill(pid, 'SIGSTOP');
    try {
      await again.end('SIGKILL');
      await using next = await start(dynalite.endpoint, Number(new URL(again.url).port));
      await vi.waitFor(() => expect(next.output).toContain('the port is taken'), patience);
      process.kill(pid, 'SIGCONT');
      await next.ready(60_000);
      expect(await ask(url, demos[0]!.secret, false)).toBe('200');
      await vi.waitFor(() => expect(isAlive(pid)).toBe(false), patience);
    } finally {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
  });
});

/** The group's report, as soon as it is one like that. */
async function reported(wanted: (report: GatewayStatus) => boolean): Promise<GatewayStatus> {
  return vi.waitFor(async () => {
    const [report] = await store.listGateways(systemClock.now());
    expect(report && wanted(report)).toBe(true);
    return report!;
  }, patience);
}

async function granted(of: GatewayProcess): Promise<number> {
  return (await of.metric('spokecast_decisions_total{route="authenticate",code="GRANTED"}')) ?? 0;
}
