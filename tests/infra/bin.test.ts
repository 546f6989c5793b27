import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { explainFailure } from '../../infra/bin/failure.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));

interface Ended {
  exitCode: number;
  stdout: string;
  stderr: string;
}

function run(command: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...command],
      { env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) => {
        resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
  });
}

const spokecast = (args: readonly string[], env?: Record<string, string>) => run([bin, ...args], env);

describe('spokecast', () => {
  test('--help lists the commands', async () => {
    const { exitCode, stdout } = await spokecast(['--help']);
    expect(exitCode).toBe(0);
    for (const command of ['hub', 'publisher', 'gateway', 'migrate', 'application-keys', 'wait'])
      expect(stdout).toContain(command);
  });

  test('wait says what it lacks, and that the hub does not answer, with exit codes of their own', async () => {
    const fence = 'fen_01k9c0v8w1e4qafk3s7m2t6xhz';
    const keyless = await spokecast(['wait', fence]);
    expect([keyless.exitCode, keyless.stderr]).toEqual([
      78,
      expect.stringContaining('SPOKECAST_APPLICATION_KEY'),
    ]);
    const noFile = await spokecast(['wait', fence, '--key-file', '/nowhere/key']);
    expect([noFile.exitCode, noFile.stderr]).toEqual([
      78,
      expect.stringContaining('/nowhere/key cannot be read'),
    ]);
    const env = { SPOKECAST_HUB_URL: 'http://127.0.0.1:1', SPOKECAST_APPLICATION_KEY: 'spa_not_told' };
    const alone = await spokecast(['wait', fence, '--timeout', '0.6'], env);
    expect([alone.exitCode, alone.stderr]).toEqual([
      69,
      expect.stringContaining('did not answer within 0.6 s'),
    ]);
    expect(alone.stderr).not.toContain('not_told');
    expect((await spokecast(['wait', fence, '--timeout', 'x'], env)).stderr).toContain('0 to 86400 seconds');
  });

  test.each(['hub', 'publisher', 'gateway'])('%s --help lists its options', async (role) => {
    const { exitCode, stdout } = await spokecast([role, '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/SPOKECAST_PORT \(default \d+\)/);
  });

  test('an unknown command is named, with the one that was meant', async () => {
    const { exitCode, stderr } = await spokecast(['gatway']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/unknown command 'gatway'[\s\S]*Did you mean gateway\?/);
  });

  test('every mistake of a configuration is named at once, and no secret with it', async () => {
    const mistaken = { DATABASE_URL: 'mysql://u:hunter2@h/d', SPOKECAST_PORT: 'x', SPOKECAST_PROT: '1' };
    const { exitCode, stdout, stderr } = await spokecast(['hub'], mistaken);
    expect(exitCode).toBe(78);
    for (const name of Object.keys(mistaken)) expect(stderr).toContain(name);
    expect(stdout + stderr).not.toContain('hunter2');
  });

  test('a hub that does not answer is named, with exit code 69, and so is a key that is missing, with 78', async () => {
    const hub = { SPOKECAST_HUB_URL: 'http://127.0.0.1:9' };
    const unreachable = await spokecast(['region', 'list'], { ...hub, SPOKECAST_APPLICATION_KEY: 'spa_x' });
    expect(unreachable.exitCode).toBe(69);
    expect(unreachable.stderr).toContain('the hub at http://127.0.0.1:9 does not answer');
    const keyless = await spokecast(['region', 'list'], hub);
    expect(keyless.exitCode).toBe(78);
    expect(keyless.stderr).toContain('SPOKECAST_APPLICATION_KEY is required');
  });

  test("another role's option is no mistake", async () => {
    const { exitCode, stderr } = await spokecast(['publisher'], { SPOKECAST_FEED_POLL_MS: '20' });
    expect(exitCode).toBe(78);
    expect(stderr).toContain('DATABASE_URL is required');
    expect(stderr).not.toContain('SPOKECAST_FEED_POLL_MS');
  });

  test('migrate says what it needs, and in one line why it cannot', async () => {
    const without = await spokecast(['migrate']);
    expect(without).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('DATABASE_URL is required'),
    });
    const refused = await spokecast(['migrate'], { DATABASE_URL: 'postgres://x@127.0.0.1:1/x' });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr.trim().split('\n')).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });

  test('application-keys create wants a role that exists', async () => {
    const { exitCode, stderr } = await spokecast([
      'application-keys',
      'create',
      '--role',
      'king',
      '--name',
      'x',
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Allowed choices are owner, admin, viewer');
  });

  test('an older Node is told so before it meets TypeScript', async () => {
    const script = `Object.defineProperty(process, 'versions', { value: { node: '20.1.0' } });
      await import(${JSON.stringify(pathToFileURL(bin).href)});`;
    const { exitCode, stderr } = await run(['--input-type=module', '-e', script]);
    expect(exitCode).toBe(78);
    expect(stderr).toContain('needs Node 24 or newer; this is Node 20.1.0');
  });
});

describe('failures', () => {
  test('ours explain themselves; others are one line, and a stack only on request', () => {
    const ours = Object.assign(new Error('no such region'), { exitCode: 78 });
    expect(explainFailure(ours, undefined)).toEqual({ message: 'no such region', exitCode: 78 });
    const other = new TypeError('x is not a function');
    expect(explainFailure(other, 'info').message).toMatch(/^x is not a function \(.*debug/);
    expect(explainFailure(other, 'debug').message).toContain('bin.test.ts');
    const refused = new AggregateError([
      new Error('connect ECONNREFUSED ::1'),
      new Error('connect ECONNREFUSED 127.0.0.1'),
    ]);
    expect(explainFailure(refused, undefined).message).toContain('ECONNREFUSED ::1; connect');
  });

  test('those of addresses name the option to look at', () => {
    const failed = (code: string) =>
      explainFailure(Object.assign(new Error(code), { code }), undefined).message;
    expect(failed('EADDRINUSE')).toContain('SPOKECAST_PORT');
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'CONNECT_TIMEOUT'])
      expect(failed(code)).toContain('DATABASE_URL');
  });
});
