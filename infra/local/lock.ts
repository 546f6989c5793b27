import { link, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, readHolder, thisProcess } from '../../contexts/base/holder.ts';
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
  const mine = JSON.stringify(thisProcess());
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
      if (holder && isRunning(holder)) {
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
