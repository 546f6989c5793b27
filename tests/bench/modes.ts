import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { freePort } from '../support/process.ts';
import { findRequirement } from '../support/programs.ts';
import { seededRandom } from '../support/samples.ts';
import { fill, makeDemos, reachable, warmAndCheck } from './gateway.ts';
import { core, wrk } from './load.ts';
import { median, table } from './report.ts';
import { cpuMs } from './support/cpu.ts';
import { startStoreProcess } from './support/store-process.ts';

const bin = new URL('../../infra/bin/spokecast.js', import.meta.url).pathname;
const owner = { environment: 'bench', region: 'bench', hubId: 'bench' };
const plain = 'as it is';

interface Mode {
  name: string;
  path?: string;
  environment?: Record<string, string>;
  args?: readonly string[];
}

/**
 * What the gateway's options cost: the same requests to the same keys, all of it on one core, each gateway in its turn.
 * Workers are for more cores than one; here they show what the group itself takes.
 */
export async function modes({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spokecast-bench-'));
  const children: ChildProcess[] = [];
  try {
    await using storeProcess = await startStoreProcess(core);
    const { endpoint } = storeProcess;
    const demos = makeDemos();
    await using store = DynamoStore.connect({
      ...{ table: 'spokecast-bench-bench', endpoint },
      ...{ clock: systemClock, random: systemRandom },
    });
    await fill(store, owner, demos);
    await storeProcess.stepBack();
    const contenders: { name: string; url: string; path: string; child: ChildProcess }[] = [];
    for (const { name, path = '/v1/authenticate', environment = {}, args = [] } of modesWith(dir)) {
      const port = await freePort();
      const secure = environment.SPOKECAST_TLS_CERT_FILE !== undefined;
      const url = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
      const child = spawn('taskset', ['-c', '0', process.execPath, bin, 'gateway', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: {
          ...process.env,
          ...{ SPOKECAST_ENV: owner.environment, SPOKECAST_REGION: owner.region },
          ...{ SPOKECAST_HOST: '127.0.0.1', SPOKECAST_PORT: String(port) },
          ...{ SPOKECAST_STORE_ENDPOINT: endpoint, SPOKECAST_LOG_LEVEL: 'info', SPOKECAST_WARM: 'all' },
          ...environment,
        },
      });
      children.push(child);
      contenders.push({ name, url, path, child });
      if (secure) await systemClock.sleep(5_000);
      else {
        await reachable(`${url}/readyz`);
        await warmAndCheck(url, demos);
      }
    }

    const random = seededRandom(7);
    const keys = demos.map(({ secret }) => secret);
    const measured = new Map(
      contenders.map(({ name }) => [name, { perSecond: [] as number[], cpuMicros: [] as number[] }]),
    );
    for (let round = 0; round <= rounds; round++) {
      for (const { name, url, path, child } of contenders.toSorted(() => random.fraction() - 0.5)) {
        const beforeMs = cpuMs(child.pid!, { withChildren: true });
        const result = await wrk({ url, path, keys, dir, seconds: round === 0 ? 2 : seconds });
        if (result.refused > 0) throw new Error(`${name} refused ${result.refused} good keys`);
        if (round === 0) continue;
        const usedMs = cpuMs(child.pid!, { withChildren: true }) - beforeMs;
        measured.get(name)!.perSecond.push(result.requestsPerSecond);
        measured.get(name)!.cpuMicros.push((usedMs * 1000) / result.requests);
      }
    }
    const of = (name: string) => {
      const { perSecond, cpuMicros } = measured.get(name)!;
      return { rate: median(perSecond), cpu: median(cpuMicros) };
    };
    const base = of(plain);
    const rows = contenders.map(({ name }) => {
      const { rate, cpu } = of(name);
      return [
        name,
        rate.toFixed(0),
        (rate / base.rate).toFixed(2),
        cpu.toFixed(1),
        (cpu / base.cpu).toFixed(2),
      ];
    });
    const titles = ['', 'requests/s', 'of the plain one', 'CPU microseconds a request', 'of the plain one'];
    console.log(table(titles, rows));
  } finally {
    for (const child of children) child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  }
}

function modesWith(dir: string): Mode[] {
  const found: Mode[] = [
    { name: plain },
    { name: 'two workers on the one core', args: ['--workers', '2'] },
    { name: 'access log of one in a hundred', environment: { SPOKECAST_ACCESS_LOG: '0.01' } },
    { name: 'access log of all', environment: { SPOKECAST_ACCESS_LOG: '1' } },
    { name: 'forward-auth', path: '/v1/forward-auth' },
  ];
  if (findRequirement('openssl') === undefined) console.log('(TLS is left out: there is no openssl)');
  else found.push({ name: 'TLS, connections kept', environment: certificate(dir) });
  return found;
}

function certificate(dir: string): Record<string, string> {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  return { SPOKECAST_TLS_KEY_FILE: key, SPOKECAST_TLS_CERT_FILE: cert };
}
