import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { clusterContext, keyContext, newDemo, publish, tenantContext } from '../spoke/support/contexts.ts';
import { freePort } from '../support/process.ts';
import { seededRandom } from '../support/samples.ts';
import { reachable } from './gateway.ts';
import { core, wrk } from './load.ts';
import { nginxAnswer, nginxProxy } from './peers/proxies.ts';
import { median, table } from './report.ts';
import { cpuMs } from './support/cpu.ts';
import { startStoreProcess } from './support/store-process.ts';

const keysMax = 1_000;
const body = `{"rows":"${'x'.repeat(1_000)}"}`;

/**
 * Requests to a cluster, authenticated and forwarded on one core, beside relays that do neither check nor count: nginx,
 * undici's own stream, and http-proxy where it is installed. Upstream (nginx) and load share the other core.
 */
export async function forwarding({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spokecast-bench-'));
  const children: ChildProcess[] = [];
  const start = (core: '0' | '1', command: readonly string[], environment: Record<string, string> = {}) => {
    const env = { ...process.env, ...environment };
    const child = spawn('taskset', ['-c', core, ...command], { stdio: ['ignore', 'ignore', 'inherit'], env });
    children.push(child);
    return child.pid!; // taskset becomes what it starts
  };
  const place = async () => ({ dir: mkdtempSync(join(dir, 'peer-')), port: await freePort() });
  try {
    await using storeProcess = await startStoreProcess(core);
    const { endpoint } = storeProcess;
    const upstream = await place();
    const upstreamUrl = `http://127.0.0.1:${upstream.port}`;
    start('1', nginxAnswer(upstream, body));
    await using store = DynamoStore.connect({
      ...{ table: 'spokecast-bench-bench', endpoint },
      ...{ clock: systemClock, random: systemRandom },
    });
    const owner = { environment: 'bench', region: 'bench', hubId: 'bench' };
    const { incarnation } = await store.initialise(owner, { shards: 4, newIncarnation: 'bench' });
    await store.setWhole(incarnation, true);
    const first = newDemo();
    const demos = Array.from({ length: keysMax }, (_, n) => {
      const keyId = `aki_${String(n).padStart(26, '0')}`;
      return { ...first, keyId, secret: newSecret('agentKey', keyId, systemRandom) };
    });
    await publish(store, tenantContext(first, 1), clusterContext(first, 1, { upstreamUrl }));
    for (let at = 0; at < keysMax; at += 100)
      await publish(store, ...demos.slice(at, at + 100).map((demo) => keyContext(demo, 1)));

    await storeProcess.stepBack();
    const contenders: { name: string; url: string; pid: number }[] = [];
    const add = async (name: string, make: (at: { dir: string; port: number }) => string[], ready = '/') => {
      const at = await place();
      const pid = start('0', make(at), {
        ...{ PEER_PORT: String(at.port), PEER_UPSTREAM: upstreamUrl },
        ...{ SPOKECAST_ENV: owner.environment, SPOKECAST_REGION: owner.region, SPOKECAST_HOST: '127.0.0.1' },
        ...{ SPOKECAST_PORT: String(at.port), SPOKECAST_STORE_ENDPOINT: endpoint },
        SPOKECAST_LOG_LEVEL: 'warn',
        SPOKECAST_UPSTREAM_LOOPBACK: 'allowed',
      });
      const url = `http://127.0.0.1:${at.port}`;
      contenders.push({ name, url, pid });
      await reachable(`${url}${ready}`);
    };
    const here = (path: string) => new URL(path, import.meta.url).pathname;
    await add(
      'spokecast gateway',
      () => [process.execPath, here('../../infra/bin/spokecast.js'), 'gateway', '--warm', 'all'],
      '/readyz',
    );
    await add('nginx proxy_pass', (at) => nginxProxy(at, upstreamUrl));
    await add('undici relay', () => [process.execPath, here('./peers/undici-relay.ts')]);
    if (isInstalled('http-proxy'))
      await add('http-proxy', () => [process.execPath, here('./peers/http-proxy.ts')]);
    else console.log('(http-proxy is left out: it is not installed)');

    const random = seededRandom(11);
    const keys = demos.map(({ secret }) => secret).toSorted(() => random.fraction() - 0.5);
    const path = `/v1/clusters/${first.clusterId}/topics`;
    for (const sent of [undefined, body]) {
      const measured = new Map(
        contenders.map(({ name }) => [name, { perSecond: [] as number[], cpuMicros: [] as number[] }]),
      );
      for (let round = 0; round <= rounds; round++) {
        for (const { name, url, pid } of contenders.toSorted(() => random.fraction() - 0.5)) {
          const timed = round > 0 ? { seconds } : { seconds: 2, bodies: [body] };
          const beforeMs = cpuMs(pid, { withChildren: true });
          const result = await wrk({ url, path, keys, dir, sent, ...timed });
          const { requests, requestsPerSecond, refused, wrong } = result;
          if (refused + wrong > 0) throw new Error(`${name}: ${refused} refused, ${wrong} wrong bodies`);
          if (round === 0) continue;
          measured.get(name)!.perSecond.push(requestsPerSecond);
          const usedMs = cpuMs(pid, { withChildren: true }) - beforeMs;
          measured.get(name)!.cpuMicros.push((usedMs * 1000) / requests);
        }
      }
      const of = (name: string) => {
        const { perSecond, cpuMicros } = measured.get(name)!;
        return { rate: median(perSecond), cpu: median(cpuMicros) };
      };
      const mine = of('spokecast gateway');
      const rows = contenders.map(({ name }) => {
        const { rate, cpu } = of(name);
        const ratios = [(mine.rate / rate).toFixed(2), cpu.toFixed(1), (cpu / mine.cpu).toFixed(2)];
        return [name, rate.toFixed(0), ...ratios];
      });
      const what = sent === undefined ? 'GET' : `POST of ${sent.length} bytes`;
      const titles = [what, 'requests/s', 'gateway to it', 'CPU microseconds a request', 'it to gateway'];
      console.log(`${table(titles, rows)}\n`);
    }
  } finally {
    for (const child of children) child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  }
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
