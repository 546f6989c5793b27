import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { clusterContext, type Demo, gone, keyContext, tenantContext } from '../spoke/support/contexts.ts';
import { freePort } from '../support/process.ts';
import { seededRandom } from '../support/samples.ts';
import { core, fixedRate, wrk } from './load.ts';
import { haproxy, type Known, nginxAuthRequest, nginxLua } from './peers/proxies.ts';
import { median, table } from './report.ts';
import { cpuMs } from './support/cpu.ts';
import { startStoreProcess } from './support/store-process.ts';

const keysMax = 10_000;
const clustersMax = 500;
const path = '/v1/authenticate';
const bare = 'bare node:http, one answer';
const bin = new URL('../../infra/bin/spokecast.js', import.meta.url).pathname;

/**
 * `/v1/authenticate` on one core, warmed, with 10,000 keys over 500 clusters, beside what else could answer it: the
 * load comes from the other core, and the contenders take turns in one run.
 *
 * The ratios of CPU time say more than those of requests in a second, wherever anything else runs on the machine.
 */
export async function gateway({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spokecast-bench-'));
  const children: ChildProcess[] = [];
  /** On core 0, where everything that is measured runs. */
  const start = (command: readonly string[], environment: Record<string, string> = {}): ChildProcess => {
    const child = spawn('taskset', ['-c', '0', ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...environment },
    });
    children.push(child);
    return child;
  };
  try {
    await using storeProcess = await startStoreProcess(core);
    const { endpoint } = storeProcess;
    const demos = makeDemos();
    const owner = { environment: 'bench', region: 'bench', hubId: 'bench' };
    await using store = DynamoStore.connect({
      ...{ table: 'spokecast-bench-bench', endpoint },
      ...{ clock: systemClock, random: systemRandom },
    });
    await fill(store, owner, demos);
    await storeProcess.stepBack();

    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const environmentOf = (at: number) => ({
      SPOKECAST_ENV: owner.environment,
      SPOKECAST_REGION: owner.region,
      SPOKECAST_HOST: '127.0.0.1',
      SPOKECAST_PORT: String(at),
      SPOKECAST_STORE_ENDPOINT: endpoint,
      SPOKECAST_LOG_LEVEL: 'warn',
    });
    const gatewayProcess = start([process.execPath, bin, 'gateway'], environmentOf(port));
    await reachable(`${url}/readyz`);
    const known = await warmAndCheck(url, demos);
    const answer = JSON.stringify({ headers: await headersOf(url, demos[0]!), body: known[0]!.body });

    const bodies = known.map(({ body }) => body);
    const contenders = [{ name: 'spokecast gateway', url, bodies, child: gatewayProcess }];
    const add = async (
      name: string,
      make: (at: { dir: string; port: number }) => string[],
      answers: readonly string[] = bodies,
    ) => {
      const at = { dir: mkdtempSync(join(dir, 'peer-')), port: await freePort() };
      const child = start(make(at), { PEER_PORT: String(at.port), PEER_ANSWER: answer });
      contenders.push({ name, url: `http://127.0.0.1:${at.port}`, bodies: [...answers], child });
      await reachable(`http://127.0.0.1:${at.port}${path}`);
    };
    const bun = findBun();
    if (bun === undefined) console.log('(the gateway under Bun is left out: there is no bun)');
    else {
      const under = await freePort();
      const child = start([bun, bin, 'gateway'], environmentOf(under));
      const bunUrl = `http://127.0.0.1:${under}`;
      await reachable(`${bunUrl}/readyz`);
      await warmAndCheck(bunUrl, demos);
      contenders.push({ name: 'spokecast gateway under Bun', url: bunUrl, bodies, child });
    }
    const script = (name: string) => [
      process.execPath,
      new URL(`./peers/${name}.ts`, import.meta.url).pathname,
    ];
    await add(bare, () => script('node-http'), [known[0]!.body]);
    await add('bare Hono route, one answer', () => script('hono'), [known[0]!.body]);
    await add('HAProxy, map file', (at) => haproxy(at, known));
    await add('nginx, Lua and shared dictionary', (at) => nginxLua(at, known));
    await add('nginx auth_request to the gateway', (at) => nginxAuthRequest(at, url), ['{"ok":true}']);

    const random = seededRandom(11);
    const keys = demos.map(({ secret }) => secret);
    const perSecond = new Map(contenders.map(({ name }) => [name, [] as number[]]));
    const cpuMicros = new Map(contenders.map(({ name }) => [name, [] as number[]]));
    for (let round = 0; round <= rounds; round++) {
      for (const contender of contenders.toSorted(() => random.fraction() - 0.5)) {
        const cpuMsBefore = cpuMs(contender.child.pid!, { withChildren: true });
        const result = await wrk({
          url: contender.url,
          path,
          keys,
          dir,
          seconds: round === 0 ? 2 : seconds,
          bodies: round === 0 ? contender.bodies : undefined,
        });
        if (result.wrong > 0) throw new Error(`${contender.name} gave ${result.wrong} wrong bodies`);
        if (result.refused > 0) throw new Error(`${contender.name} refused ${result.refused} good keys`);
        if (round === 0) continue;
        perSecond.get(contender.name)!.push(result.requestsPerSecond);
        const usedMs = cpuMs(contender.child.pid!, { withChildren: true }) - cpuMsBefore;
        cpuMicros.get(contender.name)!.push((usedMs * 1000) / result.requests);
      }
    }
    const rate = (name: string) => median(perSecond.get(name)!);
    const cpu = (name: string) => median(cpuMicros.get(name)!);
    const mine = 'spokecast gateway';
    console.log(
      table(
        ['', 'requests/s', 'gateway to it', 'CPU microseconds a request', 'it to gateway'],
        contenders.map(({ name }) => [
          ...[name, rate(name).toFixed(0), (rate(mine) / rate(name)).toFixed(2)],
          ...[cpu(name).toFixed(1), (cpu(name) / cpu(mine)).toFixed(2)],
        ]),
      ),
    );

    const timed = contenders.filter(({ name }) => name === mine || name === bare);
    for (const { name, child } of contenders) if (name !== mine && name !== bare) child.kill('SIGTERM');
    await timesAtHalf({ timed, key: keys[0]!, dir, perSecond: rate(mine) / 2, rounds, seconds });
    await revokeInMidRun({ store, url, demos, keys, dir, seconds });
  } finally {
    for (const child of children) child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * How long answers take at half of what the gateway can do, beside bare node:http at the same rate: h2load sends what is
 * due in bursts, so that part of it is waiting for one's turn, whoever answers.
 */
async function timesAtHalf(options: {
  timed: readonly { name: string; url: string }[];
  key: string;
  dir: string;
  perSecond: number;
  rounds: number;
  seconds: number;
}): Promise<void> {
  const { timed, key, dir, perSecond, rounds, seconds } = options;
  const taken = new Map(timed.map(({ name }) => [name, [] as Awaited<ReturnType<typeof fixedRate>>[]]));
  for (let round = 0; round < rounds; round++)
    for (const { name, url } of timed)
      taken.get(name)!.push(await fixedRate({ url: `${url}${path}`, key, dir, perSecond, seconds }));
  const rows = timed.map(({ name }) => {
    const of = (read: (times: Awaited<ReturnType<typeof fixedRate>>) => number) =>
      median(taken.get(name)!.map(read)).toFixed(2);
    return [name, of(({ p50 }) => p50), of(({ p99 }) => p99), of(({ max }) => max)];
  });
  console.log(`\nmilliseconds at ${perSecond.toFixed(0)} requests/s, medians of ${rounds} rounds`);
  console.log(table(['', 'p50', 'p99', 'max'], rows));
}

/** Bun, where it is installed: on the path (the npm package puts it there for scripts). */
function findBun(): string | undefined {
  const [found] = (process.env.PATH ?? '').split(':').flatMap((folder) => {
    const candidate = join(folder, 'bun');
    return existsSync(candidate) ? [candidate] : [];
  });
  return found;
}

/** Keys in an order of chance, each of one of the clusters. */
export function makeDemos(): Demo[] {
  const digits = (n: number) => String(n).padStart(26, '0');
  const random = seededRandom(5);
  const demos = Array.from({ length: keysMax }, (_, n) => {
    const [clusterId, tenantId] = [`vci_${digits(n % clustersMax)}`, `ten_${digits(n % 50)}`];
    const keyId = `aki_${digits(n)}`;
    return { tenantId, clusterId, keyId, secret: newSecret('agentKey', keyId, systemRandom) };
  });
  return demos
    .map((demo) => ({ demo, at: random.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ demo }) => demo);
}

export async function fill(
  store: DynamoStore,
  owner: { environment: string; region: string; hubId: string },
  demos: Demo[],
) {
  const { incarnation } = await store.initialise(owner, { shards: 16, newIncarnation: 'bench' });
  const once = new Set<string>();
  const envelopes = demos.flatMap((demo) =>
    [tenantContext(demo, 1), clusterContext(demo, 1), keyContext(demo, 1)].filter(({ kind, key }) => {
      const first = !once.has(`${kind}/${key}`);
      once.add(`${kind}/${key}`);
      return first;
    }),
  );
  const results = await settleBounded(envelopes, 32, (envelope) => store.put(envelope));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  await store.setWhole(incarnation, true);
}

/** Asks for every key, so that the gateway holds it, and checks what it is told. */
export async function warmAndCheck(url: string, demos: readonly Demo[]): Promise<Known[]> {
  const agent = new Agent({ connections: 64 });
  const results = await settleBounded(demos, 64, async (demo): Promise<Known> => {
    const authorization = `Bearer ${demo.secret}`;
    for (;;) {
      const { statusCode, body } = await request(`${url}${path}`, {
        headers: { authorization },
        dispatcher: agent,
      });
      const text = await body.text();
      if (statusCode === 503) {
        await systemClock.sleep(200); // the bounded rate of unknown keys: it is let in a little later
        continue;
      }
      const { keyId, clusterId } = JSON.parse(text) as { keyId: string; clusterId: string };
      if (statusCode !== 200 || keyId !== demo.keyId || clusterId !== demo.clusterId)
        throw new Error(`${demo.keyId} was answered ${statusCode} ${text}`);
      return { authorization, body: text };
    }
  });
  await agent.close();
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function headersOf(url: string, demo: Demo): Promise<Record<string, string>> {
  const { headers, body } = await request(`${url}${path}`, {
    headers: { authorization: `Bearer ${demo.secret}` },
  });
  await body.dump();
  const kept = Object.entries(headers).filter(
    ([name]) => !['date', 'connection', 'keep-alive'].includes(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

/** One key is revoked while all are being asked for: the others go on, and it is refused. */
async function revokeInMidRun(options: {
  store: DynamoStore;
  url: string;
  demos: readonly Demo[];
  keys: readonly string[];
  dir: string;
  seconds: number;
}): Promise<void> {
  const { store, url, demos, keys, dir, seconds } = options;
  const { keyId, secret } = demos[keysMax / 2]!;
  const under = wrk({ url, path, keys, dir, seconds });
  await systemClock.sleep((seconds * 1000) / 2);
  const revoked = gone('agent-key', keyId, 2);
  await store.put(revoked);
  await store.announce(
    [{ kind: 'agent-key', key: keyId, version: revoked.version, tombstone: true }],
    systemClock.now(),
  );
  const { refused } = await under;
  const { statusCode, body } = await request(`${url}${path}`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  await body.dump();
  if (statusCode !== 401) throw new Error(`the revoked key was answered ${statusCode}`);
  console.log(`a key revoked in mid-run: ${refused} of its requests refused from then on, no other one`);
}

/** Waits until it answers anything but a fault. */
export async function reachable(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      const { statusCode, body } = await request(url);
      await body.dump();
      if (statusCode < 500) return;
    } catch (error) {
      if (tries > 200) throw error;
    }
    await systemClock.sleep(50);
  }
}
