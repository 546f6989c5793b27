import { chmod, link, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, readHolder, thisProcess } from '../../contexts/base/holder.ts';
import type { Random } from '../../contexts/base/random.ts';
import { keyBytes, parseKeys } from './keys.ts';

/** Gateways that may share one directory. */
const slotsMax = 16;

/** The directory cannot be used; the message says what to do. The gateway goes on without a snapshot. */
export class DirectoryUnusable extends Error {
  override name = 'DirectoryUnusable';
}

/**
 * Makes the directory, or sees that nobody but its owner can look into it.
 * @throws DirectoryUnusable where it belongs to somebody else.
 */
export async function makePrivate(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(path);
  const mine = process.getuid?.();
  if (mine !== undefined && uid !== mine)
    throw new DirectoryUnusable(`${path} belongs to user ${uid}, and this gateway runs as ${mine}`);
  if ((mode & 0o077) !== 0) await chmod(path, 0o700);
}

/**
 * The key that signs where none is configured: made once, and kept beside what it signs. It tells damage, and files
 * from elsewhere, from what a gateway here wrote. It is no defence against somebody who can write here.
 */
export async function localSigningKey(directory: string, random: Random): Promise<Buffer> {
  const path = join(directory, 'signing.key');
  const wanted = Buffer.from(random.bytes(keyBytes));
  await createWhole(path, `${wanted.toString('hex')}\n`);
  const [key] = parseKeys((await readFile(path, 'utf8')).trim()) ?? [];
  if (key === undefined)
    throw new DirectoryUnusable(`${path} holds no key; remove it, and a new one is made`);
  return key;
}

export interface Slot extends AsyncDisposable {
  readonly path: string;
}

/**
 * Claims the first free one of the directory's slots, each of which is one gateway's. A slot whose process is gone is
 * free: its lock is taken over.
 */
export async function claimSlot(directory: string): Promise<Slot> {
  for (let number = 0; number < slotsMax; number++) {
    const path = slotPath(directory, number);
    await makePrivate(path);
    const lock = join(path, 'lock');
    if (!(await takeLock(lock))) continue;
    return {
      path,
      async [Symbol.asyncDispose]() {
        await rm(lock, { force: true });
        heldHere.delete(lock);
      },
    };
  }
  throw new DirectoryUnusable(
    `${slotsMax} gateways share ${directory} already; give this one a directory of its own`,
  );
}

export function slotPath(directory: string, number: number): string {
  return join(directory, `slot-${String(number).padStart(2, '0')}`);
}

/** All slots there are, whosever they are. */
export async function allSlots(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => /^slot-\d\d$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

/** Locks that gateways in this very process hold. */
const heldHere = new Set<string>();

async function takeLock(path: string): Promise<boolean> {
  if (heldHere.has(path)) return false;
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await createWhole(path, JSON.stringify(thisProcess()))) {
      heldHere.add(path);
      return true;
    }
    const holder = readHolder(await readFile(path, 'utf8').catch(() => ''));
    // One with our own id is of an earlier process: in a container every gateway may be process 1.
    if (holder && holder.pid !== process.pid && isRunning(holder)) return false;
    await rm(path, { force: true });
  }
  return false;
}

/** Creates the file with its content, in one step; false where it is there already. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const unfinished = `${path}.${process.pid}.new`;
  // Synced before it has its name: after a loss of power an empty file would be a key that is none.
  await writeFile(unfinished, text, { mode: 0o600, flush: true });
  try {
    await link(unfinished, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Makes names in a directory last: a file's own sync does not. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
