import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { wheelFiles, writePrivately } from '../../infra/local/files.ts';
import { layoutOf, portsOf } from '../../infra/local/layout.ts';
import { lockDirectory, WheelRefused } from '../../infra/local/lock.ts';
import { lastLines, openLog } from '../../infra/local/logs.ts';
import { readWheelOptions } from '../../infra/local/options.ts';
import { checkPorts } from '../../infra/local/ports.ts';
import { databaseEnv, gatewayEnv } from '../../infra/local/roles.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spokecast-local-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function layout(portBase: number, environment: Record<string, string> = {}) {
  return layoutOf({ directory, portBase, databasePassword: 'secret', environment });
}

describe('flags', () => {
  test('defaults and all of them', () => {
    expect(readWheelOptions([])).toEqual({
      fresh: false,
      portBase: 4000,
      directory: '.spokecast',
      restart: true,
    });
    const all = ['--fresh', '--port-base', '5000', '--dir', 'd', '--no-restart'];
    expect(readWheelOptions(all)).toEqual({ fresh: true, portBase: 5000, directory: 'd', restart: false });
  });

  test.each([
    [['--portbase', '5000'], '--portbase'],
    [['--port-base', 'many'], '--port-base'],
    [['--port-base', '80'], 'from 1024 to'],
    [['--port-base', '65500'], 'from 1024 to'],
    [['--dir'], '--dir'],
    [['extra'], 'too many arguments'],
  ])('%j is refused by name', (flags, named) => {
    const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      expect(readWheelOptions(flags)).toBe(1);
      expect(printed.mock.calls.join('')).toContain(named);
    } finally {
      printed.mockRestore();
    }
  });
});

describe('layout', () => {
  test('ports stand where the design says', () => {
    const wheel = layout(4000);
    expect(wheel.hub.port).toBe(4000);
    expect(
      wheel.regions.map(({ id, gateway, store, upstream }) => [id, gateway.port, store.port, upstream.port]),
    ).toEqual([
      ['us-east-1', 4101, 4201, 4301],
      ['eu-west-1', 4102, 4202, 4302],
      ['ap-southeast-1', 4103, 4203, 4303],
    ]);
    expect(new Set(portsOf(wheel).map(({ port }) => port)).size).toBe(12);
  });

  test('[law 5] a gateway is told nothing of the hub', () => {
    const wheel = layout(4000, { REDIS_URL: 'redis://elsewhere', DATABASE_URL: 'postgres://elsewhere' });
    const env = gatewayEnv(wheel, wheel.regions[0]!);
    expect(Object.keys(env).toSorted()).toEqual([
      'AWS_ACCESS_KEY_ID',
      'AWS_EC2_METADATA_DISABLED',
      'AWS_REGION',
      'AWS_SECRET_ACCESS_KEY',
      'SPOKECAST_ENV',
      'SPOKECAST_HOST',
      'SPOKECAST_REGION',
      'SPOKECAST_SNAPSHOT_DIR',
      'SPOKECAST_STORE_ENDPOINT',
      'SPOKECAST_STORE_TABLE',
      'SPOKECAST_UPSTREAM_LOOPBACK',
    ]);
    expect(JSON.stringify(env)).not.toMatch(/4000|4050|elsewhere/);
  });

  test('options from outside reach the roles, except those the wheel assigns', () => {
    const wheel = layout(4000, {
      SPOKECAST_SWEEP_EVERY_MS: '5000',
      SPOKECAST_PORT: '1',
      REDIS_URL: 'redis://r',
      OTHER: 'x',
    });
    const env = databaseEnv(wheel);
    expect(env).toMatchObject({ SPOKECAST_SWEEP_EVERY_MS: '5000', REDIS_URL: 'redis://r' });
    expect(env).not.toHaveProperty('SPOKECAST_PORT');
    expect(env).not.toHaveProperty('OTHER');
  });
});

describe('lock', () => {
  test('a second wheel in the same directory is refused, and may start after the first has ended', async () => {
    const first = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toThrow(
      `already running from ${directory} (process ${process.pid})`,
    );
    await first[Symbol.asyncDispose]();
    await using second = await lockDirectory(directory);
    expect(second.tookOver).toBe(false);
  });

  test.each([
    ['of a process that is gone', { pid: 2 ** 30, startedBy: null }],
    ['of a process whose id is now another one', { pid: process.pid, startedBy: '1' }],
    ['that is not readable', 'nonsense'],
  ])('a lock %s is taken over', async (_, lock) => {
    writeFileSync(join(directory, wheelFiles.lock), JSON.stringify(lock));
    await using taken = await lockDirectory(directory);
    expect(taken.tookOver).toBe(true);
  });
});

test('ports in use are all named, with the flag that helps', async () => {
  const wheel = layout(21_000);
  const taken = [wheel.hub.port, wheel.regions[1]!.gateway.port].map((port) =>
    createServer().listen(port, '127.0.0.1'),
  );
  try {
    const refusal = checkPorts(wheel, 21_000);
    await expect(refusal).rejects.toThrow(WheelRefused);
    await expect(refusal).rejects.toThrow(
      /port 21000 \(the hub\), port 21102 \(the gateway of eu-west-1\) are in use.*\n.*--port-base 22000/,
    );
  } finally {
    for (const server of taken) server.close();
  }
});

test("[law 10] files with secrets are their owner's alone", async () => {
  const path = join(directory, 'secret');
  await writePrivately(path, 'spa_x');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the last lines of a log are those of its end', () => {
  const path = join(directory, 'hub.log');
  expect(lastLines(path, 3)).toEqual([]);
  openLog(path);
  writeFileSync(path, `${'x'.repeat(100_000)}\none\n\ntwo\nthree\n`);
  expect(lastLines(path, 2)).toEqual(['two', 'three']);
});
