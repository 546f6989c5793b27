import postgres from 'postgres';
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.ts';

test('a file gets a database of its own, which is gone when disposed of', async () => {
  const first = await createDatabase('empty');
  await using second = await createDatabase('empty');
  expect(first.url).not.toBe(second.url);
  const sql = postgres(first.url, { max: 1 });
  const [row] = await sql`select version()`;
  expect(row!.version).toMatch(/^PostgreSQL 18/);
  await sql.end();
  await first[Symbol.asyncDispose]();
  const gone = postgres(first.url, { max: 1 });
  await expect(gone`select 1`).rejects.toThrow('does not exist');
  await gone.end();
});

test('the migrated template is copied with its tables', async () => {
  await using database = await createDatabase();
  const sql = postgres(database.url, { max: 1 });
  const tables = await sql`select table_name from information_schema.tables where table_schema = 'public'`;
  await sql.end();
  expect(tables.map((row) => row.table_name)).toEqual(expect.arrayContaining(['tenants', 'heads', 'outbox']));
});
