import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { systemClock } from '../../contexts/base/clock.ts';
import { databaseUrl } from '../../infra/local/postgres.ts';
import { postgresRole } from '../../infra/local/roles.ts';
import { Supervisor } from '../../infra/local/supervisor.ts';
import { givenPostgres } from './given-postgres.ts';
import { freePort } from './process.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where test files ask for databases and Redis servers. */
    servicesUrl: string;
  }
}

/**
 * What test files share: one Postgres for the whole run, and a Redis server each for those that want one.
 *
 * Everything is started when first asked for, so that a run of plain unit tests starts nothing. The processes
 * live in a supervisor's hands: they end with the run, also with one that crashes.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = new Services();
  project.provide('servicesUrl', await services.listen());
  return () => services[Symbol.asyncDispose]();
}

type Template = 'migrated' | 'empty';

class Services implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #directory: Promise<string> | undefined;
  #supervisor: Promise<Supervisor> | undefined;
  #postgres: Promise<{ admin: postgres.Sql; url: (database: string) => string }> | undefined;
  #template: Promise<void> | undefined;
  #count = 0;

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#server.unref();
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#postgres?.then(({ admin }) => admin.end({ timeout: 1 })).catch(() => {});
    await this.#supervisor?.then((supervisor) => supervisor[Symbol.asyncDispose]());
    if (this.#directory) await rm(await this.#directory, { recursive: true, force: true, maxRetries: 10 });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await this.#route(`${request.method} ${request.url}`);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.stack : String(error));
    }
  }

  async #route(request: string): Promise<unknown> {
    if (request === 'POST /databases/migrated') return this.#createDatabase('migrated');
    if (request === 'POST /databases/empty') return this.#createDatabase('empty');
    if (request.startsWith('DELETE /databases/'))
      return this.#dropDatabase(request.slice('DELETE /databases/'.length));
    if (request === 'POST /redis') return this.#startRedis();
    throw new Error(`unknown request: ${request}`);
  }

  async #createDatabase(template: Template): Promise<{ name: string; url: string }> {
    this.#postgres ??= this.#startPostgres();
    const { admin, url } = await this.#postgres;
    if (template === 'migrated') {
      this.#template ??= this.#makeTemplate(admin, url(templateName));
      await this.#template;
    }
    const name = `test_${++this.#count}`;
    await admin`create database ${admin(name)} template ${admin(template === 'migrated' ? templateName : 'template0')}`;
    return { name, url: url(name) };
  }

  async #dropDatabase(name: string): Promise<null> {
    const { admin } = await this.#postgres!;
    await admin`drop database if exists ${admin(name)} with (force)`;
    return null;
  }

  /** Migrates once; every database of the run is a copy of the files, which takes some 30 ms. */
  async #makeTemplate(admin: postgres.Sql, url: string): Promise<void> {
    const { migrate } = await import('../../hub/db/migrate.ts');
    await admin`create database ${admin(templateName)}`;
    await migrate(url);
  }

  async #startPostgres(): Promise<{ admin: postgres.Sql; url: (database: string) => string }> {
    const given = givenPostgres();
    if (given !== undefined) {
      const url = (database: string) => Object.assign(new URL(given), { pathname: `/${database}` }).href;
      const admin = postgres(url('postgres'), { max: 2, onnotice: () => {} });
      // Of a run that was killed. Nobody else may have anything of these names there.
      const left = await admin`
        select datname from pg_database where datname ~ '^test_[0-9]+' or datname = ${templateName}`;
      for (const { datname } of left) await admin`drop database ${admin(datname)} with (force)`;
      return { admin, url };
    }
    const port = await freePort();
    const server = {
      directory: join(await this.#temporary(), 'postgres'),
      port,
      settings: {
        fsync: 'off',
        full_page_writes: 'off',
        synchronous_commit: 'off',
        autovacuum_naptime: '1h',
      },
    };
    await (await this.#keeper()).start(await postgresRole(server));
    const url = (database: string) => databaseUrl(server, database);
    return { admin: postgres(url('postgres'), { max: 2, onnotice: () => {} }), url };
  }

  async #startRedis(): Promise<{ url: string }> {
    const port = await freePort();
    const name = `redis-${port}`;
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    await (await this.#keeper()).start({
      name,
      command: 'redis-server',
      args,
      env: { PATH: process.env.PATH ?? '' },
      cwd: await this.#temporary(),
      ready: () => accepts(port),
      readyWithinMs: 30_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 2_000,
    });
    return { url: `redis://127.0.0.1:${port}` };
  }

  #keeper(): Promise<Supervisor> {
    this.#supervisor ??= this.#temporary().then((directory) => {
      const supervisor = new Supervisor({
        clock: systemClock,
        logDirectory: join(directory, 'logs'),
        restart: false,
        onEvent: async (event) => {
          if (event.event !== 'died') return;
          console.error(
            `${event.role} died during the tests: ${event.how}\n${await readFile(event.log, 'utf8')}`,
          );
        },
      });
      supervisor.watchdog.tell({ order: 'remove-afterwards', path: directory });
      return supervisor;
    });
    return this.#supervisor;
  }

  #temporary(): Promise<string> {
    this.#directory ??= mkdtemp(join(tmpdir(), 'spokecast-tests-'));
    return this.#directory;
  }
}

const templateName = 'template_migrated';

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
