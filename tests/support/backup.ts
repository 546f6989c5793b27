import postgres from 'postgres';

/**
 * Backups of a test's database on the run's Postgres: `create database ... template` copies the files, as a physical
 * backup does. Everyone who is connected is thrown out, when it is taken and when it is restored.
 */
export class Backups implements AsyncDisposable {
  readonly #admin: postgres.Sql;
  readonly #database: string;
  readonly #taken: string[] = [];

  constructor(databaseUrl: string) {
    const url = new URL(databaseUrl);
    this.#database = url.pathname.slice(1);
    url.pathname = '/postgres';
    this.#admin = postgres(url.href, { max: 1, onnotice: () => {} });
  }

  async take(): Promise<string> {
    const name = `${this.#database}_backup_${this.#taken.length + 1}`;
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
    await this.#patiently(
      () => admin`create database ${admin(this.#database)} template ${admin(backup)} strategy file_copy`,
    );
    await admin`alter database ${admin(this.#database)} allow_connections true`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const admin = this.#admin;
    for (const name of this.#taken) await admin`drop database if exists ${admin(name)} with (force)`;
    await admin.end({ timeout: 1 });
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
