import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRunning, readHolder, thisProcess } from '../../../contexts/base/holder.ts';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import { type Random, systemRandom } from '../../../contexts/base/random.ts';

/**
 * Takes what the file stands for, for this process alone, until it is disposed of. It outlives a process that is killed;
 * whoever comes next finds that its holder is gone and takes its place.
 *
 * To take the place of one that is gone takes a lock of its own, or of two that find it at the same instant the second
 * would remove what the first has just made. Who has that lock looks again, and replaces the file as a whole. Where
 * somebody was killed with that lock in hand, the same is done with it, one file further; what was taken is removed.
 *
 * @throws ConfigurationError while another process has it.
 */
export function lock(path: string, random: Random = systemRandom): Disposable {
  const mine = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}.new`;
  try {
    writeFileSync(mine, JSON.stringify(thisProcess()), { mode: 0o600 });
    while (!isMade(mine, path)) {
      if (!isLeft(path)) continue; // whoever had it has just let go
      using _takeover = lock(`${path}.takeover`, random);
      if (!isLeft(path)) continue;
      renameSync(mine, path);
      break;
    }
    return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError([`${dirname(path)} cannot be written: ${(error as Error).message}`]);
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Makes the file with its content at once, unless it is there: a link is the one atomic way to. */
function isMade(content: string, path: string): boolean {
  try {
    linkSync(content, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the file is there and its holder is not. @throws ConfigurationError where that one runs. */
function isLeft(path: string): boolean {
  const text = readIfThere(path);
  if (text === undefined) return false;
  const holder = readHolder(text);
  if (holder && isRunning(holder))
    throw new ConfigurationError([
      `another \`spokecast apply\` (process ${holder.pid}) writes secrets there: wait until it has ended, or name another file`,
    ]);
  return true;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
