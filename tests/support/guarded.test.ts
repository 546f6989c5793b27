import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { guarded } from './guarded.ts';
import { isAlive } from './process.ts';

const victim = fileURLToPath(new URL('./guarded-victim.ts', import.meta.url));

test.each(['SIGINT', 'SIGKILL'] as const)(
  'what a test has started ends with the test that is ended by %s',
  async (signal) => {
    const test = spawn(process.execPath, [victim], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(test.stdout.setEncoding('utf8'), 'data');
    const pids = String(line).trim().split(' ').map(Number);
    expect(pids.map(isAlive)).toEqual([true, true]);
    test.kill(signal);
    await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false]), { timeout: 30_000 });
  },
);

test('a process that leads no group of its own cannot be guarded', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  expect(() => guarded(child)).toThrow('ESRCH');
  await ended;
});
