import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../contexts/base/clock.ts';
import { freePort } from '../../support/process.ts';

export interface StoreProcess extends AsyncDisposable {
  endpoint: string;
  /** From here on it has the core only while nobody else wants it. */
  stepBack(): Promise<void>;
}

const storeMain = new URL('./store-main.ts', import.meta.url).pathname;

/**
 * The region's store as a process of its own on the load generator's core. In a deployment it is another machine: what
 * it does may take no time from what is measured, and as little as possible from what measures.
 */
export async function startStoreProcess(core: string): Promise<StoreProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'spokecast-bench-store-'));
  const [port, countsPort] = [await freePort(), await freePort()];
  const args = ['-c', core, process.execPath, storeMain, directory, String(port), String(countsPort)];
  const child = spawn('taskset', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await answering(`http://127.0.0.1:${countsPort}`, child);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stepBack: () => ended(spawn('renice', ['-n', '19', '-p', String(child.pid)], { stdio: 'ignore' })),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    if ((await fetch(url).catch(() => undefined))?.ok) return;
    await systemClock.sleep(50);
  }
  throw new Error('the store has ended before it began');
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}
