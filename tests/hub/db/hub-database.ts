import postgres from 'postgres';
import { connect, type Database, type Db } from '../../../hub/db/client.ts';
import { createDatabase } from '../../support/database.ts';

export interface OutboxRow {
  id: number;
  kind: string;
  key: string;
  regions: string[];
  cause: string;
  tightens: boolean;
}

export interface HeadRow {
  revision: number;
  deleted: boolean;
}

/** A verifier of the right form; nothing hashes to it. */
export const verifier = 'v'.repeat(43);

/**
 * A migrated database of this file's own, with the statements these tests are written in. `sql` is a person at
 * `psql`: no code of ours between it and the tables. `session()` gives a connection of its own, for transactions
 * that are interleaved by hand.
 */
export class HubDatabase implements AsyncDisposable {
  readonly url: string;
  readonly database: Database;
  readonly sql: postgres.Sql;
  readonly #sessions: postgres.Sql[] = [];
  readonly #drop: () => PromiseLike<void>;

  private constructor(url: string, drop: () => PromiseLike<void>) {
    this.url = url;
    this.#drop = drop;
    this.database = connect(url, { applicationName: 'test', max: 6 });
    this.sql = postgres(url, { max: 4, onnotice: () => {} });
  }

  static async create(): Promise<HubDatabase> {
    const created = await createDatabase();
    return new HubDatabase(created.url, () => created[Symbol.asyncDispose]());
  }

  get db(): Db {
    return this.database.db;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endSessions();
    await this.sql.end({ timeout: 1 });
    await this.database[Symbol.asyncDispose]();
    await this.#drop();
  }

  /** After each test: one that failed in the middle of a transaction must not hold up the others with its locks. */
  async endSessions(): Promise<void> {
    await Promise.all(this.#sessions.splice(0).map((sql) => sql.end({ timeout: 0 })));
  }

  /** A connection of its own, until `endSessions`. */
  session(): postgres.Sql {
    const sql = postgres(this.url, { max: 1, onnotice: () => {} });
    this.#sessions.push(sql);
    return sql;
  }

  async regions(...ids: string[]): Promise<void> {
    for (const id of ids)
      await this
        .sql`insert into regions (id, store_table) values (${id}, ${`t-${id}`}) on conflict do nothing`;
  }

  tenant(id: string) {
    return this.sql`insert into tenants (id, name) values (${id}, ${id})`;
  }

  /** A cluster placed in those regions, its tenant made where it is new. */
  async cluster(id: string, tenantId: string, ...regions: string[]): Promise<void> {
    await this.sql`insert into tenants (id, name) values (${tenantId}, ${tenantId}) on conflict do nothing`;
    await this.sql`
      insert into clusters (id, tenant_id, name, upstream_url) values (${id}, ${tenantId}, ${id}, 'https://up.example')`;
    for (const region of regions) await this.place(id, region);
  }

  place(cluster: string, region: string, sql = this.sql) {
    return sql`insert into placements (cluster_id, region) values (${cluster}, ${region})`;
  }

  unplace(cluster: string, region: string, sql = this.sql) {
    return sql`delete from placements where cluster_id = ${cluster} and region = ${region}`;
  }

  key(id: string, cluster: string, sql = this.sql) {
    return sql`insert into agent_keys (id, cluster_id, name, verifier) values (${id}, ${cluster}, ${id}, ${verifier})`;
  }

  async head(kind: string, key: string): Promise<HeadRow | undefined> {
    const [row] = await this.sql`select revision, deleted from heads where kind = ${kind} and key = ${key}`;
    return row && { revision: Number(row.revision), deleted: row.deleted };
  }

  async revision(kind: string, key: string): Promise<number> {
    return (await this.head(kind, key))?.revision ?? 0;
  }

  async outbox(): Promise<OutboxRow[]> {
    const rows = await this.sql`select id, kind, key, regions, cause, tightens from outbox order by id`;
    return rows.map((row) => ({ ...row, id: Number(row.id) }) as OutboxRow);
  }

  async emptyOutbox(): Promise<void> {
    await this.sql`delete from outbox`;
  }

  /**
   * Runs `change` alone and tells what the capture made of it: outbox rows without their ids, and how each of the
   * named heads moved.
   */
  async captured(change: () => PromiseLike<unknown>): Promise<Omit<OutboxRow, 'id'>[]> {
    await this.emptyOutbox();
    await change();
    return (await this.outbox()).map(({ id: _, ...row }) => row);
  }
}

/** Whether a connection of this database waits for a lock: the proof that an interleaving really happened. */
export async function someoneWaits(hub: HubDatabase): Promise<boolean> {
  const [row] = await hub.sql`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row!.waiting > 0;
}

/** What a call to `reserve` gives: one connection, in which `begin` and `commit` are plain statements. */
export type Session = postgres.ReservedSql;

export async function begun(hub: HubDatabase, isolation = 'read committed'): Promise<Session> {
  const session = await hub.session().reserve();
  await session.unsafe(`begin isolation level ${isolation}`);
  return session;
}
