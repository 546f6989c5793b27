import { closeSync, fstatSync, openSync, readSync, renameSync } from 'node:fs';

const rotateAboveBytes = 10 * 1024 * 1024;
const tailBytes = 16 * 1024;

/** Opens a role's log to append to. One that has grown large is first put aside as `.1`, in place of an older one. */
export function openLog(path: string): number {
  let log = openSync(path, 'a', 0o600);
  if (fstatSync(log).size > rotateAboveBytes) {
    closeSync(log);
    renameSync(path, `${path}.1`);
    log = openSync(path, 'a', 0o600);
  }
  return log;
}

/** The last `count` lines of a log, none when it cannot be read. */
export function lastLines(path: string, count: number): string[] {
  let log: number;
  try {
    log = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(log);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(log, buffer, 0, buffer.length, size - buffer.length);
    return buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count);
  } finally {
    closeSync(log);
  }
}
