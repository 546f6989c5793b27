import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../contexts/base/clock.ts';
import { HubApi } from '../../infra/client/hub-api.ts';
import { everyPort } from '../../infra/client/transport.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';
import { count, during, equal, line } from './support/printing.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
const clustersEach = 10;
const keysEach = 10;

/**
 * A platform file applied to a whole local wheel, by the command as a person starts it: once to make everything, once
 * more unchanged. Publisher, stores and gateways share the machine and do their part of the work meanwhile. Beside it
 * what one request a key costs.
 */
export async function apply({ clusters, singles }: { clusters: number; singles: number }): Promise<void> {
  await using wheel = await startWheel();
  const home = await mkdtemp(join(tmpdir(), 'spokecast-bench-apply-'));
  try {
    const file = join(home, 'platform.json');
    const out = join(home, 'secrets.jsonl');
    await writeFile(file, JSON.stringify(platformOf(wheel, clusters)));
    const yaml = join(home, 'platform.yaml');
    const things = Math.ceil(clusters / clustersEach) + clusters * (1 + keysEach);
    const spokecast = (...args: string[]) => command(wheel, home, args);

    const begun = await writes(wheel);
    const made = await during('apply', () =>
      spokecast('apply', '-f', file, '--yes', '--json', '--secrets-out', out),
    );
    equal('created', JSON.parse(made.stdout).created, things);
    equal('secrets', (await readFile(out, 'utf8')).trim().split('\n').length, clusters * keysEach);
    line('relayed, with all that follows', `${seconds(await during('relay', () => relayed(wheel)))} later`);
    const before = await writes(wheel);
    equal('audited', before.audited - begun.audited, things);
    line(`${count(clusters)} clusters with ${keysEach} keys each, made`, seconds(made.ms));

    const again = await during('again', () => spokecast('apply', '-f', file, '--yes', '--json'));
    equal('created again', JSON.parse(again.stdout).created, 0);
    line('again, unchanged', seconds(again.ms));
    const exported = await during('export', () => spokecast('export', '--no-regions'));
    await writeFile(yaml, exported.stdout);
    line('exported as YAML', `${seconds(exported.ms)}   ${count(exported.stdout.length)} bytes`);
    const read = await during('diff', () => spokecast('diff', '-f', yaml, '--prune'));
    line('what was exported, read back', seconds(read.ms));
    const after = await writes(wheel);
    for (const name of ['audited', 'fences', 'revision'] as const) equal(name, after[name], before[name]);
    line('writes by the last three', '0');

    const ms = await during('one request a key', () => oneByOne(wheel, singles));
    line('one request a key, 12 at a time', `${Math.round((singles / ms) * 1000)} keys/s`);
    line('by apply, all together', `${Math.round((things / made.ms) * 1000)} things/s`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function platformOf(wheel: TestWheel, clusters: number): object {
  const regions = wheel.file.regions.map(({ id }) => id);
  const cluster = (index: number) => ({
    name: `cluster ${index}`,
    upstreamUrl: 'http://127.0.0.1:9/',
    settings: { tier: index % 3 },
    placements: [regions[index % regions.length]],
    agentKeys: Array.from({ length: keysEach }, (_, key) => ({ name: `key ${key}`, permissions: ['read'] })),
  });
  return {
    spokecast: 1,
    tenants: Array.from({ length: Math.ceil(clusters / clustersEach) }, (_, tenant) => ({
      name: `bench ${tenant}`,
      clusters: Array.from({ length: Math.min(clustersEach, clusters - tenant * clustersEach) }, (_, index) =>
        cluster(tenant * clustersEach + index),
      ),
    })),
  };
}

/** Waits until nothing is left to relay: placements bump their keys after the commit. Returns how long that took. */
async function relayed({ sql }: TestWheel): Promise<number> {
  const startedAt = systemClock.monotonic();
  for (;;) {
    const [row] = await sql<{ open: boolean }[]>`
      select exists (select from outbox where kind <> 'heartbeat')
        or exists (select from holdings where not settled) as open`;
    if (!row!.open) return systemClock.monotonic() - startedAt;
    await systemClock.sleep(100);
  }
}

/** What every write leaves behind, but for heartbeats. */
async function writes({ sql }: TestWheel) {
  const [row] = await sql<{ audited: number; fences: number; revision: number }[]>`
    select (select count(*)::int from audit_log) as audited, (select count(*)::int from fences) as fences,
      (select max(revision)::int from heads where kind <> 'heartbeat') as revision`;
  return row!;
}

/** @throws with what it said, where it does not end with 0. */
async function command(wheel: TestWheel, home: string, args: readonly string[]) {
  const { url, applicationKey } = wheel.file.hub;
  const startedAt = systemClock.monotonic();
  const child = spawn(process.execPath, [bin, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: home,
      SPOKECAST_HUB_URL: url,
      SPOKECAST_APPLICATION_KEY: applicationKey,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${args[0]} ended with ${code}: ${stderr}`);
  return { stdout, ms: systemClock.monotonic() - startedAt };
}

async function oneByOne(wheel: TestWheel, keys: number): Promise<number> {
  const { url, applicationKey } = wheel.file.hub;
  const hub = new HubApi({ url, applicationKey, transport: everyPort });
  const { clusterId } = wheel.file.demo;
  const startedAt = systemClock.monotonic();
  let left = keys;
  const worker = async () => {
    while (left-- > 0) await hub.call('createAgentKey', { body: { clusterId, name: `single ${left}` } });
  };
  await Promise.all(Array.from({ length: 12 }, worker));
  return systemClock.monotonic() - startedAt;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
