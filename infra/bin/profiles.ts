import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigurationError, type Environment } from '../../contexts/base/options.ts';

/**
 * The hubs a person works with: for each a name, where it answers and the application key. (Other tools call this a
 * context; here a context is what is replicated.) Kept in one file of mode 600 below the XDG configuration directory.
 */
export interface Profile {
  url: string;
  applicationKey: string;
  /** When the key ends, where it was got by a browser. */
  expiresAt?: string | undefined;
}

export interface Profiles {
  /** The one that is used where nothing else is said. */
  current: string | null;
  profiles: Record<string, Profile>;
}

export const profileName = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

const schema = z.strictObject({
  current: z.string().nullable(),
  profiles: z.record(
    z.string().regex(profileName),
    z.strictObject({
      url: z.url({ protocol: /^https?$/ }),
      applicationKey: z.string().regex(/^\S+$/),
      expiresAt: z.string().optional(),
    }),
  ),
});

/** Where the file is; undefined where neither a home nor a configuration directory is known. */
export function profilesPath(environment: Environment): string | undefined {
  const base = environment.XDG_CONFIG_HOME || (environment.HOME && join(environment.HOME, '.config'));
  return base ? join(base, 'spokecast', 'profiles.json') : undefined;
}

/** None where there is no file. @throws ConfigurationError where others may read it, or it is no such file. */
export function readProfiles(environment: Environment): Profiles {
  const path = profilesPath(environment);
  const text = path === undefined ? undefined : readPrivate(path);
  if (text === undefined) return { current: null, profiles: {} };
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // The reason would quote what stands there: keys.
    throw new ConfigurationError([`${path} is no file of profiles: mend it, or remove it and log in again`]);
  }
}

/** Replaces the file as a whole, so that a crash leaves the old one. @throws ConfigurationError. */
export function writeProfiles(environment: Environment, profiles: Profiles): string {
  const path = profilesPath(environment);
  if (path === undefined)
    throw new ConfigurationError(['HOME or XDG_CONFIG_HOME is required: profiles are kept below it']);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writePrivate(path, `${JSON.stringify(profiles, null, 2)}\n`);
  return path;
}

/** Writes what only its owner may read, whatever stood there before. */
export function writePrivate(path: string, text: string): void {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    chmodSync(draft, 0o600); // a draft that a crash left behind keeps its mode
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new ConfigurationError([`${path} cannot be written: ${(error as Error).message}`]);
  }
}

function readPrivate(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const mode = statSync(path).mode & 0o077;
    if (mode === 0 || process.platform === 'win32') return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigurationError([`${path} cannot be read: ${(error as Error).message}`]);
  }
  throw new ConfigurationError([`${path} holds keys and others may read it: chmod 600 ${path}`]);
}
