import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { type Role, type RoleEvent, RoleFailed, Supervisor } from '../../infra/local/supervisor.ts';
import { isAlive } from '../support/process.ts';

/** Fake roles are small scripts; each says that it is ready by writing its file. */
let directory: string;
let events: RoleEvent[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spokecast-supervisor-'));
  events = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const patient = "require('fs').writeFileSync(READY, String(process.pid)); setInterval(() => {}, 1000);";

function fakeRole(name: string, script: string, overrides: Partial<Role> = {}): Role {
  const ready = join(directory, `${name}.ready`);
  return {
    name,
    command: process.execPath,
    args: [
      '-e',
      script.replaceAll('READY', JSON.stringify(ready)).replaceAll('DIR', JSON.stringify(directory)),
    ],
    env: {},
    ready: async (pid) => existsSync(ready) && readFileSync(ready, 'utf8') === String(pid),
    readyWithinMs: 30_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    ...overrides,
  };
}

function supervisor(restart = true): Supervisor {
  const logDirectory = join(directory, 'logs');
  return new Supervisor({
    clock: systemClock,
    logDirectory,
    restart,
    onEvent: (event) => events.push(event),
  });
}

const deaths = () => events.filter((event) => event.event === 'died');
const starts = (role: string) => events.filter((event) => event.event === 'ready' && event.role === role);

test('start resolves once every role answers, and stop leaves none alive', async () => {
  await using wheel = supervisor();
  await wheel.start(fakeRole('one', patient), fakeRole('two', patient));
  const pids = [wheel.pidOf('one')!, wheel.pidOf('two')!];
  expect(pids.every(isAlive)).toBe(true);
  await wheel.stop();
  expect(pids.some(isAlive)).toBe(false);
  expect(deaths()).toEqual([]);
});

test('roles end in the reverse order of their start', async () => {
  const order = join(directory, 'order');
  writeFileSync(order, '');
  const noting = (name: string) =>
    `${patient} process.on('SIGTERM', () => { require('fs').appendFileSync(DIR + '/order', '${name} '); process.exit(0); });`;
  await using wheel = supervisor();
  for (const name of ['database', 'hub', 'gateway']) await wheel.start(fakeRole(name, noting(name)));
  await wheel.stop();
  expect(readFileSync(order, 'utf8')).toBe('gateway hub database ');
});

test('a role that exits before it answers fails the start, with its last words', async () => {
  await using wheel = supervisor();
  const failing = fakeRole('hub', "console.error('cannot find the database'); process.exit(3);");
  await expect(wheel.start(failing)).rejects.toThrow(/hub exited with code 3.*\n.*cannot find the database/);
});

test('a role that never answers fails the start and is ended', async () => {
  await using wheel = supervisor();
  const mute = fakeRole('hub', 'setInterval(() => {}, 1000);', { readyWithinMs: 300 });
  await expect(wheel.start(mute)).rejects.toThrow(RoleFailed);
  expect(wheel.pidOf('hub')).toBeUndefined();
});

test('a command that does not exist fails the start by name', async () => {
  await using wheel = supervisor();
  const absent = fakeRole('hub', '', { command: join(directory, 'no-such-program') });
  await expect(wheel.start(absent)).rejects.toThrow(/hub could not be started/);
});

test('a role that dies is reported with its last words and started again', async () => {
  await using wheel = supervisor();
  await wheel.start(fakeRole('gateway', `console.error('so far so good'); ${patient}`));
  const first = wheel.pidOf('gateway')!;
  process.kill(first, 'SIGKILL');
  await vi.waitFor(() => expect(starts('gateway')).toHaveLength(2), { timeout: 30_000 });
  expect(wheel.pidOf('gateway')).not.toBe(first);
  expect(deaths()).toMatchObject([
    { role: 'gateway', pid: first, how: 'was ended by SIGKILL', lines: ['so far so good'], restartInMs: 250 },
  ]);
});

test('a role that keeps dying is restarted ever more slowly', async () => {
  const dying = `${patient} setTimeout(() => process.exit(1), 100);`;
  await using wheel = supervisor();
  await wheel.start(fakeRole('gateway', dying));
  await vi.waitFor(() => expect(deaths().length).toBeGreaterThanOrEqual(3), { timeout: 30_000 });
  expect(
    deaths()
      .map((death) => death.restartInMs)
      .slice(0, 3),
  ).toEqual([250, 500, 1000]);
});

test('without restarts a dead role stays dead and the others go on', async () => {
  await using wheel = supervisor(false);
  await wheel.start(fakeRole('hub', patient), fakeRole('gateway', patient));
  process.kill(wheel.pidOf('hub')!, 'SIGKILL');
  await vi.waitFor(() => expect(deaths()).toHaveLength(1));
  expect(deaths()[0]).toMatchObject({ role: 'hub', restartInMs: null });
  expect(wheel.pidOf('hub')).toBeUndefined();
  expect(wheel.pidOf('gateway')).toBeDefined();
});

test('a role that ignores the request to end is killed after its patience', async () => {
  const stubborn = `process.on('SIGTERM', () => {}); ${patient}`;
  await using wheel = supervisor();
  await wheel.start(fakeRole('hub', stubborn, { stopWithinMs: 200 }));
  const pid = wheel.pidOf('hub')!;
  await wheel.stop();
  expect(isAlive(pid)).toBe(false);
  expect(events.at(-1)).toEqual({ event: 'killed', role: 'hub', pid, afterMs: 200 });
});

test('when the supervisor is killed outright its roles end and its left-overs go', async () => {
  const script = fileURLToPath(new URL('./supervisor-victim.ts', import.meta.url));
  const victim = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'ignore', 'inherit'] });
  const role = await vi.waitFor(() => Number(readFileSync(join(directory, 'role.pid'), 'utf8')), {
    timeout: 30_000,
  });
  expect(isAlive(role)).toBe(true);
  victim.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(role)).toBe(false), { timeout: 30_000 });
  await vi.waitFor(() => expect(existsSync(join(directory, 'leftover'))).toBe(false), { timeout: 30_000 });
});
