import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { systemClock } from '../../contexts/base/clock.ts';
import { databaseUrl, type PostgresServer } from '../../infra/local/postgres.ts';
import { postgresRole } from '../../infra/local/roles.ts';
import { Supervisor } from '../../infra/local/supervisor.ts';
import { freePort, isAlive } from './process.ts';

const run = promisify(execFile);

export interface Server {
  port: number;
  directory: string;
  name: string;
  /** The server's own database, for whoever operates it. */
  admin: postgres.Sql;
}

/**
 * Postgres servers of a test's own that replicate, die and are promoted. They live in a supervisor's hands, which ends
 * them with the test run, also with one that crashes.
 */
export class PostgresServers implements AsyncDisposable {
  readonly #directory: string;
  readonly #supervisor: Supervisor;
  readonly #servers: Server[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    this.#supervisor = new Supervisor({
      clock: systemClock,
      logDirectory: join(directory, 'logs'),
      restart: false,
      onEvent: () => {},
    });
    this.#supervisor.watchdog.tell({ order: 'remove-afterwards', path: directory });
  }

  static async make(): Promise<PostgresServers> {
    return new PostgresServers(await mkdtemp(join(tmpdir(), 'spokecast-servers-')));
  }

  async primary(): Promise<Server> {
    return this.#start({ name: 'primary', directory: join(this.#directory, 'primary'), settings: {} });
  }

  /**
   * A copy of a running server that follows it, by way of `throughPort` where something stands in between. There is no
   * pg_basebackup among npm's binaries: this is what it does.
   */
  async standbyOf(primary: Server, throughPort = primary.port): Promise<Server> {
    const name = `standby-${this.#servers.length}`;
    const directory = join(this.#directory, name);
    const session = postgres(databaseUrl(serverOf(primary), 'postgres'), { max: 1, onnotice: () => {} });
    try {
      await session`select pg_backup_start('standby', fast => true)`;
      await run('cp', ['-a', primary.directory, directory]).catch(() => {}); // files may go while it copies
      const [stop] = await session`select labelfile from pg_backup_stop()`;
      for (const [file, text] of [
        ['backup_label', stop!.labelfile],
        ['standby.signal', ''],
      ]) {
        await writeFile(join(directory, file), text);
        await run('chown', ['--reference', directory, join(directory, file)]);
      }
    } finally {
      await session.end();
    }
    await rm(join(directory, 'postmaster.pid'), { force: true });
    const conninfo = `host=127.0.0.1 port=${throughPort} user=postgres application_name=${name}`;
    const standby = await this.#start({ name, directory, settings: { primary_conninfo: conninfo } });
    await waitFor(`${name} follows`, async () => {
      const [row] = await primary.admin`
        select from pg_stat_replication where application_name = ${name} and state = 'streaming'`;
      return row !== undefined;
    });
    return standby;
  }

  /** With SIGKILL, as a machine that loses power. Resolves when nobody answers there. */
  async kill(server: Server): Promise<void> {
    const pid = this.#supervisor.pidOf(server.name)!;
    await server.admin.end({ timeout: 0 });
    process.kill(pid, 'SIGKILL');
    await waitFor(`${server.name} is dead`, async () => !isAlive(pid));
  }

  /**
   * A server that takes no more writes, on old connections neither. It says that it reloads before it has: a connection
   * that begins with the new setting was made after the server had told all the others.
   */
  async fence(server: Server): Promise<void> {
    await server.admin`alter system set default_transaction_read_only = on`;
    await server.admin`select pg_reload_conf()`;
    await waitFor(`${server.name} is fenced`, async () => {
      const session = postgres(databaseUrl(serverOf(server), 'postgres'), { max: 1 });
      const [row] = await session`show default_transaction_read_only`.finally(() => session.end());
      return row!.default_transaction_read_only === 'on';
    });
  }

  /** Makes a standby the primary. */
  async promote(server: Server): Promise<void> {
    await server.admin`select pg_promote(true, 60)`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(({ admin }) => admin.end({ timeout: 0 })));
    await this.#supervisor[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 10 });
  }

  async #start({
    name,
    directory,
    settings,
  }: Pick<Server, 'name' | 'directory'> & { settings: Record<string, string> }) {
    const port = await freePort();
    const quick = { fsync: 'off', full_page_writes: 'off', autovacuum_naptime: '1h', wal_keep_size: '64MB' };
    const server: PostgresServer = { directory, port, settings: { ...quick, ...settings } };
    const admin = postgres(databaseUrl(server, 'postgres'), {
      max: 2,
      onnotice: () => {},
      connect_timeout: 2,
    });
    const answers = () => admin`select 1`.then(() => true);
    await this.#supervisor.start({ ...(await postgresRole(server)), name, ready: answers });
    const started: Server = { name, directory, port, admin };
    this.#servers.push(started);
    return started;
  }
}

export function serverOf({ directory, port }: Server): PostgresServer {
  return { directory, port };
}

async function waitFor(what: string, condition: () => Promise<boolean>): Promise<void> {
  const startedAt = systemClock.monotonic();
  while (!(await condition())) {
    if (systemClock.monotonic() - startedAt > 60_000) throw new Error(`not within 60 s: ${what}`);
    await systemClock.sleep(10);
  }
}
