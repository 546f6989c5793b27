import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { percentile } from '../replication/support/watching.ts';
import { allOf, type Demo, newDemo } from '../spoke/support/contexts.ts';
import { freePort } from '../support/process.ts';
import { clients, type FloodResult, type HotResult, hot, loadCore, wrkFlood } from './flood-load.ts';
import { reachable } from './gateway.ts';
import { wrk } from './load.ts';
import { nginxProxy } from './peers/proxies.ts';
import { table } from './report.ts';

const hotKeys = 4;
const warmKeys = 200;
const unknownPerSecond = 500;
const coldEveryMs = 100;
const addresses = 10_000;

interface Asked {
  seconds: number;
  floodPerSecond: number;
  hotPerSecond: number;
  /** Offer that much even where the gateway's core does not carry it. */
  full: boolean;
  /** Only the floods whose names have this in them. */
  only: string;
}

/**
 * A gateway on one core under floods from the other, which it shares with the store, the known clients and nginx: what
 * the flood costs the store, the gateway's memory, known keys in memory, and known keys that are not.
 */
export async function flood({ seconds, floodPerSecond, hotPerSecond, full, only }: Asked): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spokecast-flood-'));
  const children: ChildProcess[] = [];
  try {
    const store = await startStore(dir, children);
    const rounds = 8;
    const coldCount = Math.ceil((rounds * (seconds + 4) * 1_000) / coldEveryMs);
    const demos = await fill(store.endpoint, warmKeys + coldCount);
    const gateway = await startGateway(store.endpoint, children);
    const warm = demos.slice(0, warmKeys);
    for (const { secret } of warm) await authenticate(gateway.url, secret);
    await metricBecomes(gateway.url, 'spokecast_census_told', 1);

    const keys = warm.map(({ secret }) => secret);
    const capacity = await wrk({ url: gateway.url, path: '/v1/authenticate', keys, dir, seconds: 3 });
    const wanted = floodPerSecond + hotPerSecond;
    const carried = capacity.requestsPerSecond * 0.7;
    const share = full ? 1 : Math.min(1, carried / wanted);
    const rates = { flood: Math.round(floodPerSecond * share), hot: Math.round(hotPerSecond * share) };
    console.log(
      `the gateway's core carries ${capacity.requestsPerSecond.toFixed(0)} requests/s of known keys; offered are ${rates.flood} + ${rates.hot}: ${(share * 100).toFixed(0)} % of ${floodPerSecond} + ${hotPerSecond}`,
    );

    const cold = demos.slice(warmKeys)[Symbol.iterator]();
    const at = { dir, gateway, store, seconds, children, cold, hotKeys: keys.slice(0, hotKeys), rates };
    const nginxPort = await freePort();
    start(
      nginxProxy({ dir: mkdtempSync(join(dir, 'nginx-')), port: nginxPort }, gateway.url, 'forwarded-for'),
      children,
    );
    const nginx = `http://127.0.0.1:${nginxPort}`;
    await reachable(`${nginx}/healthz`);

    const wrkAt = (url: string, kind: 'unknown' | 'malformed') =>
      wrkFlood({ url, kind, perSecond: rates.flood, seconds, dir });
    const from = async (what: 'unknown' | 'big-headers', count: number, perSecond: number) => {
      const { over } = await clients({
        ...{ url: gateway.url, what, addresses: count, perSecond, seconds, children },
      });
      return { result: over.then((told) => resultOf(told, seconds)) };
    };
    const rows: string[][] = [];
    /** `begin` gives what the flood will have come to, once it is under way. */
    const measure = async (name: string, begin: () => Promise<{ result: Promise<FloodResult> }>) => {
      if (!name.includes(only)) return;
      const { result } = await begin();
      rows.push(await underFlood(name, at, result));
    };
    const nothing = Promise.resolve({ perSecond: 0, answers: '' });
    await measure('no flood', async () => ({ result: nothing }));
    await measure('made-up keys, one address', async () => ({ result: wrkAt(gateway.url, 'unknown') }));
    await measure('malformed keys, one address', async () => ({ result: wrkAt(gateway.url, 'malformed') }));
    await measure(`made-up keys, ${addresses} addresses`, () => from('unknown', addresses, rates.flood));
    await measure('made-up keys, through nginx', async () => ({ result: wrkAt(nginx, 'unknown') }));
    await measure('headers of 20 KB', () => from('big-headers', 50, 1_000));
    console.log(
      table(
        [
          '',
          'flood/s',
          'store keys/s',
          'reads/s',
          'RSS MiB',
          'hot/s',
          'failed',
          'p50 ms',
          'p99 ms',
          'cold p99 ms',
          'max',
          'failed',
        ],
        rows,
      ),
    );
    if (only === '') await holders(at);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
  }
}

interface Place {
  dir: string;
  gateway: { url: string; pid: number };
  store: Store;
  seconds: number;
  children: ChildProcess[];
  cold: Iterator<Demo>;
  hotKeys: readonly string[];
  rates: { flood: number; hot: number };
}

interface Store {
  endpoint: string;
  counts(): Promise<Record<string, number>>;
}

async function underFlood(name: string, at: Place, flooding: Promise<FloodResult>): Promise<string[]> {
  const { gateway, store, seconds, dir, rates } = at;
  const before = await store.counts();
  const rss: number[] = [rssMib(gateway.pid)];
  const over = new AbortController();
  const sampling = sample(rss, gateway.pid, over.signal);
  const probing = probeCold(at, over.signal);
  const [hotTold, told] = await Promise.all([
    hot({ url: gateway.url, keys: at.hotKeys, perSecond: rates.hot, seconds, dir }),
    flooding,
  ]);
  over.abort();
  const cold = await probing;
  await sampling;
  const after = await store.counts();
  const perSecond = (what: string) => ((after[what] ?? 0) - (before[what] ?? 0)) / seconds;
  if (told.answers) console.log(`${name}: ${told.answers}`);
  return row(name, told, { keys: perSecond('keys'), reads: perSecond('BatchGetItem') }, rss, hotTold, cold);
}

function row(
  name: string,
  told: FloodResult,
  store: { keys: number; reads: number },
  rss: readonly number[],
  { answered, failed, offered, p50, p99 }: HotResult,
  cold: { times: number[]; failed: number },
): string[] {
  const range = `${Math.round(rss[0]!)}-${Math.round(Math.max(...rss))}-${Math.round(rss.at(-1)!)}`;
  return [
    ...[name, told.perSecond.toFixed(0), store.keys.toFixed(0), store.reads.toFixed(0), range],
    ...[`${((answered / offered) * 100).toFixed(0)} %`, String(failed), p50.toFixed(2), p99.toFixed(2)],
    ...[percentile(cold.times, 0.99).toFixed(1), Math.max(0, ...cold.times).toFixed(1), String(cold.failed)],
  ];
}

/** Asks for a known key that nobody has asked for, ten times a second. */
async function probeCold(
  { gateway, cold }: Place,
  signal: AbortSignal,
): Promise<{ times: number[]; failed: number }> {
  const times: number[] = [];
  let failed = 0;
  const agent = new Agent({ connections: 20 });
  const under: Promise<void>[] = [];
  while (!signal.aborted) {
    const next = cold.next();
    if (next.done) throw new Error('there are no cold keys left');
    const startedAt = systemClock.monotonic();
    under.push(
      authenticate(gateway.url, next.value.secret, agent).then(
        (status) => {
          times.push(systemClock.monotonic() - startedAt);
          if (status !== 200) failed += 1;
        },
        () => {
          failed += 1;
        },
      ),
    );
    await systemClock.sleep(coldEveryMs, signal);
  }
  await Promise.all(under);
  await agent.close();
  return { times, failed };
}

/** Connections that are held and little is said on: what each costs, and when they are cut off. */
async function holders({ store, children, seconds }: Place): Promise<void> {
  const gateway = await startGateway(store.endpoint, children, {
    SPOKECAST_HEADERS_TIMEOUT_MS: String(headersTimeoutMs),
  });
  for (const what of ['idle', 'slow'] as const) {
    const before = rssMib(gateway.pid);
    const count = 5_000;
    const holdSeconds = Math.max(8, seconds);
    const { over } = await clients({
      ...{ url: gateway.url, what, addresses: count, perSecond: count / 2, seconds: holdSeconds, children },
    });
    const held = await metric(gateway.url, 'spokecast_connections_open');
    const during = rssMib(gateway.pid);
    const startedAt = systemClock.monotonic();
    const status = await request(`${gateway.url}/healthz`).then(({ statusCode, body }) =>
      body.dump().then(() => statusCode),
    );
    const tookMs = systemClock.monotonic() - startedAt;
    const { open = 0, closed = 0, connected = 0 } = await over;
    console.log(
      `${count} ${what} connections: ${held} held at once, ${(((during - before) * 1024) / count).toFixed(1)} KiB each; /healthz ${status} in ${tookMs.toFixed(1)} ms; after ${holdSeconds} s (headers may take ${headersTimeoutMs / 1_000} s) ${closed} of ${connected} were cut off, ${open} are open`,
    );
    await systemClock.sleep(1_000);
  }
}

async function sample(rss: number[], pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await systemClock.sleep(500, signal);
    rss.push(rssMib(pid));
  }
}

function resultOf(told: Record<string, number>, seconds: number): FloodResult {
  const { sent = 0, ...rest } = told;
  return {
    perSecond: sent / seconds,
    answers: Object.entries(rest)
      .map(([name, count]) => `${name}=${count}`)
      .join(' '),
  };
}

const headersTimeoutMs = 5_000;

function start(
  command: readonly string[],
  children: ChildProcess[],
  env: Record<string, string> = {},
  core = loadCore,
) {
  const child = spawn('taskset', ['-c', core, ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  });
  children.push(child);
  return child;
}

async function startStore(dir: string, children: ChildProcess[]): Promise<Store> {
  const [port, countsPort] = [await freePort(), await freePort()];
  const main = fileURLToPath(new URL('./support/store-main.ts', import.meta.url));
  start([process.execPath, main, join(dir, 'store'), String(port), String(countsPort)], children);
  const counts = async () =>
    (await fetch(`http://127.0.0.1:${countsPort}`)).json() as Promise<Record<string, number>>;
  await reachable(`http://127.0.0.1:${countsPort}`);
  return { endpoint: `http://127.0.0.1:${port}`, counts };
}

async function startGateway(
  endpoint: string,
  children: ChildProcess[],
  env: Record<string, string> = {},
): Promise<{ url: string; pid: number }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
  const child = start(
    [process.execPath, bin, 'gateway'],
    children,
    {
      ...{ AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', AWS_REGION: 'bench' },
      ...{ SPOKECAST_ENV: 'bench', SPOKECAST_REGION: 'bench', SPOKECAST_HOST: '127.0.0.1' },
      ...{ SPOKECAST_PORT: String(port), SPOKECAST_STORE_ENDPOINT: endpoint, SPOKECAST_LOG_LEVEL: 'warn' },
      SPOKECAST_UNKNOWN_PER_SECOND: String(unknownPerSecond),
      ...env,
    },
    '0',
  );
  await reachable(`${url}/readyz`);
  return { url, pid: child.pid! }; // taskset becomes what it starts
}

async function fill(endpoint: string, count: number): Promise<Demo[]> {
  const owner = { environment: 'bench', region: 'bench', hubId: 'bench' };
  await using store = DynamoStore.connect({
    ...{ table: 'spokecast-bench-bench', endpoint, clock: systemClock, random: systemRandom },
  });
  const { incarnation } = await store.initialise(owner, { shards: 16, newIncarnation: 'bench' });
  const demos = Array.from({ length: count }, newDemo);
  const results = await settleBounded(
    demos.flatMap((demo) => allOf(demo, 1)),
    32,
    (envelope) => store.put(envelope),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  await store.setWhole(incarnation, true);
  return demos;
}

async function authenticate(url: string, secret: string, dispatcher?: Agent): Promise<number> {
  const { statusCode, body } = await request(`${url}/v1/authenticate`, {
    headers: { authorization: `Bearer ${secret}` },
    ...(dispatcher ? { dispatcher } : {}),
  });
  await body.dump();
  return statusCode;
}

async function metric(url: string, name: string): Promise<number> {
  const { body } = await request(`${url}/metrics`);
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(await body.text())?.[1]);
}

async function metricBecomes(url: string, name: string, value: number): Promise<void> {
  for (let tries = 0; (await metric(url, name)) !== value; tries++) {
    if (tries > 600) throw new Error(`${name} does not become ${value}`);
    await systemClock.sleep(100);
  }
}

function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
