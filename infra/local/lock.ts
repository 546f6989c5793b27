import { readFileSync } from 'node:fs';
import { link, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, wheelFiles } from './files.ts';

/** Another wheel has the directory, or the ports. The message says what to do. */
export class WheelRefused extends Error {
  override name = 'WheelRefused';
  readonly exitCode = 75; // EX_TEMPFAIL of sysexits(3): the same may work later
}

/**
 * One wheel a directory. A lock whose process is gone (killed, or the machine went down) is taken over:
 * then `tookOver` says that its roles may still be on their way out.
 * @throws WheelRefused naming the process that holds it.
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable & { tookOver: boolean }> {
  const path = join(directory, wheelFiles.lock);
  const mine = JSON.stringify({ pid: process.pid, startedBy: processStart(process.pid) });
  const unfinished = `${path}.${process.pid}.new`;
  let tookOver = false;
  await writeFile(unfinished, mine, { mode: 0o600 });
  try {
    for (;;) {
      try {
        await link(unfinished, path); // fails when it is there: the one atomic way to create it with its content
        return { tookOver, [Symbol.asyncDispose]: () => rm(path, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readHolder(await readIfThere(path));
      if (holder && isSameProcess(holder)) {
        throw new WheelRefused(
          `a wheel is already running from ${directory} (process ${holder.pid}).\n` +
            `Stop it with Ctrl-C in its terminal or with: kill ${holder.pid}\n` +
            'Or run another beside it: npm start -- --dir .spokecast-2 --port-base 5000',
        );
      }
      tookOver = true;
      await rm(path, { force: true });
    }
  } finally {
    await rm(unfinished, { force: true });
  }
}

interface Holder {
  pid: number;
  /** When that process started, in the kernel's own count: a process id alone may long be another's. */
  startedBy: string | null;
}

function readHolder(text: string | undefined): Holder | undefined {
  try {
    const holder = JSON.parse(text ?? '');
    return typeof holder.pid === 'number' ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isSameProcess(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.startedBy === null || holder.startedBy === processStart(holder.pid);
}

/** Field 22 of /proc/<pid>/stat; null where the system has no such thing. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
