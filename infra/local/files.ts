import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a wheel keeps in its directory. Only these are ever removed from it. */
export const wheelFiles = {
  /** What runs; there only while everything does. */
  wheel: 'wheel.json',
  lock: 'lock.json',
  /** What was seeded, to be found again. */
  demo: 'demo.json',
  /** The owner's application key, alone in its file for `$(cat ...)`. */
  applicationKey: 'application-key',
  /** The demo cluster's agent key, likewise. */
  demoAgentKey: 'demo-agent-key',
  databasePassword: 'database-password',
  compileCache: 'compile-cache',
  logs: 'logs',
  postgres: 'postgres',
  stores: 'stores',
  /** What gateways keep of what they hold. */
  snapshots: 'snapshots',
} as const;

const kept = [
  wheelFiles.demo,
  wheelFiles.applicationKey,
  wheelFiles.demoAgentKey,
  wheelFiles.databasePassword,
  wheelFiles.compileCache,
  wheelFiles.logs,
  wheelFiles.postgres,
  wheelFiles.stores,
  wheelFiles.snapshots,
];

/** Removes everything earlier runs kept, and nothing else that may lie there. */
export async function removeState(directory: string): Promise<void> {
  for (const name of kept) await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
}

/** The file's text without its last line break, or `undefined` where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trimEnd();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a file that only its owner may read; whoever reads it sees the old text or the new, never a part. */
export async function writePrivately(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.new`;
  await writeFile(unfinished, `${text}\n`, { mode: 0o600 });
  await rename(unfinished, path);
}
