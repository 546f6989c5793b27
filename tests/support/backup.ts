import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { givenPostgres } from './given-postgres.ts';

const run = promisify(execFile);

/**
 * Backups of a test's database on the run's Postgres: `create database ... template` copies the files, as a physical
 * backup does. Everyone who is connected is thrown out, when it is taken and when it is restored.
 *
 * npm's binaries have no `pg_dump`. On a Postgres that was given (TEST_POSTGRES_URL) backups are its dumps.
 */
export class Backups implements AsyncDisposable {
  readonly #admin: postgres.Sql;
  readonly #database: string;
  readonly #url: string;
  #dumps: string | undefined;
  readonly #taken: string[] = [];
  #count = 0;

  constructor(databaseUrl: string) {
    this.#url = databaseUrl;
    const url = new URL(databaseUrl);
    this.#database = url.pathname.slice(1);
    url.pathname = '/postgres';
    this.#admin = postgres(url.href, { max: 1, onnotice: () => {} });
  }

  async take(): Promise<string> {
    const name = `${this.#database}_backup_${++this.#count}`;
    if (givenPostgres() !== undefined) {
      this.#dumps ??= await mkdtemp(join(tmpdir(), 'spokecast-dumps-'));
      await run('pg_dump', ['--format=custom', '--file', join(this.#dumps, name), this.#url]);
      return name;
    }
    const admin = this.#admin;
    await admin`alter database ${admin(this.#database)} allow_connections false`;
    try {
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${this.#database}`;
      await this.#patiently(
        () => admin`create database ${admin(name)} template ${admin(this.#database)} strategy file_copy`,
      );
    } finally {
      await admin`alter database ${admin(this.#database)} allow_connections true`;
    }
    this.#taken.push(name);
    return name;
  }

  async restore(backup: string): Promise<void> {
    const admin = this.#admin;
    await admin`drop database ${admin(this.#database)} with (force)`;
    if (this.#dumps !== undefined) {
      await admin`create database ${admin(this.#database)} template template0`;
      await run('pg_restore', ['--exit-on-error', '--dbname', this.#url, join(this.#dumps, backup)]);
      return;
    }
    await this.#patiently(
      () => admin`create database ${admin(this.#database)} template ${admin(backup)} strategy file_copy`,
    );
    await admin`alter database ${admin(this.#database)} allow_connections true`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const admin = this.#admin;
    for (const name of this.#taken) await admin`drop database if exists ${admin(name)} with (force)`;
    await admin.end({ timeout: 1 });
    if (this.#dumps !== undefined) await rm(this.#dumps, { recursive: true });
  }

  /** A session that was told to end may take a moment. */
  async #patiently(create: () => PromiseLike<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await create();
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== '55006' || attempt === 50) throw error;
        await this.#admin`select pg_sleep(0.05)`;
      }
    }
  }
}
