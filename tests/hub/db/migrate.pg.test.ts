import postgres from 'postgres';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../../hub/db/client.ts';
import { checkMigrated, migrate, migrationState, SchemaError } from '../../../hub/db/migrate.ts';
import journal from '../../../hub/db/migrations/meta/_journal.json' with { type: 'json' };
import { createDatabase, type TestDatabase } from '../../support/database.ts';

/** Every migration of this build, in order. */
const migrations = journal.entries.map(({ tag }) => tag);

const opened: AsyncDisposable[] = [];
let database: TestDatabase;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await createDatabase('empty');
  sql = postgres(database.url, { max: 2, onnotice: () => {} });
  opened.push(database, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
});
afterAll(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
});

const check = async () => {
  await using connected = connect(database.url, { applicationName: 'test' });
  await checkMigrated(connected);
};
const tables = async () =>
  (await sql`select tablename from pg_tables where schemaname = 'public' order by 1`).map(
    (row) => row.tablename,
  );

describe('a database', () => {
  test('that is empty is behind, and says which migrations it lacks and what to do', async () => {
    const state = await migrationState(sql);
    expect(state.state).toBe('behind');
    await expect(check()).rejects.toThrow(
      `lacks ${migrations.length} migration(s) (${migrations.join(', ')}): run \`spokecast migrate\` first`,
    );
    await expect(check()).rejects.toMatchObject({ code: 'SCHEMA_BEHIND', exitCode: 78 });
  });

  test('is current after migrating, and migrating again does nothing', async () => {
    expect(await migrate(database.url)).toEqual(migrations);
    expect(await migrationState(sql)).toEqual({ state: 'current' });
    await check();
    expect(await migrate(database.url)).toEqual([]);
  });

  test('that lacks the last migration gets that one alone', async () => {
    await migrate(database.url);
    // As if 0001 were new in this build: undone, ledger and all.
    await sql`drop schema public cascade`;
    await sql`create schema public`;
    await sql`truncate drizzle.__drizzle_migrations`;
    expect((await migrationState(sql)).state).toBe('behind');
    expect(await migrate(database.url)).toHaveLength(migrations.length);
  });

  test('that was migrated by a newer build is refused, and nothing is changed', async () => {
    await migrate(database.url);
    await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of the future', 9999999999999)`;
    const before = await tables();
    expect(await migrationState(sql)).toEqual({ state: 'newer' });
    await expect(migrate(database.url)).rejects.toThrow(SchemaError);
    await expect(check()).rejects.toMatchObject({ code: 'SCHEMA_NEWER', exitCode: 78 });
    expect(await tables()).toEqual(before);
    expect(await sql`select 1 from drizzle.__drizzle_migrations`).toHaveLength(migrations.length + 1);
  });

  test('that is newer and lacks one of ours as well is refused too', async () => {
    await migrate(database.url);
    await sql`update drizzle.__drizzle_migrations set created_at = 9999999999999
      where created_at = (select max(created_at) from drizzle.__drizzle_migrations)`;
    expect(await migrationState(sql)).toEqual({ state: 'newer' });
    await expect(migrate(database.url)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
  });
});

test('two migrators at once: one migrates, the other waits and finds nothing to do', async () => {
  const applied = await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
  expect(applied.map((names) => names.length).sort()).toEqual([0, 0, migrations.length]);
  expect(await migrationState(sql)).toEqual({ state: 'current' });
});

test('a migration that fails leaves the database as it was', async () => {
  await sql`create table outbox (id int)`; // in the way of ours
  const before = await tables();
  await expect(migrate(database.url)).rejects.toThrow(/outbox/);
  expect(await tables()).toEqual(before);
  expect((await migrationState(sql)).state).toBe('behind');
  await sql`drop table outbox`;
  expect(await migrate(database.url)).toHaveLength(migrations.length);
});

test('a connection of ours that idles in a transaction is ended by the server', async () => {
  await using connected = connect(database.url, { applicationName: 'test' });
  const [settings] = await connected.sql`
    select current_setting('idle_in_transaction_session_timeout') as idle, current_setting('statement_timeout') as statement,
      current_setting('application_name') as name`;
  expect(settings).toEqual({ idle: '5s', statement: '30s', name: 'test' });
});
