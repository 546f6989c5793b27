import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** A soak of a minute takes one and a half; the longest of its own waits are over well before this. */
const patienceMs = 280_000;
export const testTimeoutMs = patienceMs + 20_000;

/** Runs `npm run soak` as a person would, for a minute of trouble. What hangs is ended, and its output shown. */
async function soak(queue: 'postgres' | 'redis'): Promise<{ exitCode: number | null; output: string }> {
  const { PATH, HOME, TMPDIR, VITEST_POOL_ID } = process.env;
  const child = spawn(process.execPath, [main, '--minutes', '1', '--queue', queue], {
    env: { PATH, HOME, TMPDIR, VITEST_POOL_ID },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const impatient = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const exitCode = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(impatient);
  return { exitCode, output };
}

/** How often the table says that something was done or checked. */
function count(output: string, what: RegExp): number {
  const rows = [...output.matchAll(/^ +(\d+) {2}(.+)$/gm)].filter(([, , name]) => what.test(name!));
  return rows.reduce((sum, [, number]) => sum + Number(number), 0);
}

/** The whole of a suite: a file for each queue backend, so that the two run at one time. */
export async function survives(queue: 'postgres' | 'redis'): Promise<void> {
  const { exitCode, output } = await soak(queue);
  expect(exitCode, output).toBe(0);
  expect(output).toContain('no law was broken');
  // What was never done or looked at cannot have gone wrong. A machine with much else to do does a tenth of what an
  // idle one does, or less, and is to pass: no law was broken there either.
  for (const [what, least] of [
    [/^(publisher|hub|gateway|store|postgres|redis) (killed|frozen|restarted|crashed|emptied)$/, 5],
    [/^api: (key|cluster|tenant)/, 5],
    [/^sql: (key|cluster|tenant|placement)/, 10],
    [/^granted$/, 20],
    [/^denials announced$/, 3],
    [/^acceptances, none/, 1],
    [/^answers of gateways, each/, 200],
    [/^contexts of stores/, 10],
    [/^last answers of gateways/, 10],
  ] as const) {
    expect(count(output, what), `${what}\n${output}`).toBeGreaterThanOrEqual(least);
  }
}
