import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));

async function spokecast(databaseUrl: string, ...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, DATABASE_URL: databaseUrl };
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args], { env });
  return stdout;
}

test('migrate brings an empty database up to date, and says so when run again', async () => {
  await using database = await createDatabase('empty');
  expect(await spokecast(database.url, 'migrate')).toMatch(
    /^applied 0000_\w+\n[\s\S]*the database is up to date\n$/,
  );
  expect(await spokecast(database.url, 'migrate')).toBe('the database was up to date already\n');
});

test('migrate refuses a database of a newer version and changes nothing', async () => {
  await using database = await createDatabase();
  const sql = postgres(database.url, { max: 1 });
  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 99999999999999)`;
  await sql.end();
  const refused = spokecast(database.url, 'migrate');
  await expect(refused).rejects.toMatchObject({ code: 78, stderr: expect.stringContaining('newer version') });
});

test('application-keys create prints the secret, alone or as JSON', async () => {
  await using database = await createDatabase();
  const flags = ['application-keys', 'create', '--role', 'owner', '--name'];
  expect(await spokecast(database.url, ...flags, 'first')).toMatch(/^spa_\w+\n$/);
  const made = JSON.parse(await spokecast(database.url, ...flags, 'second', '--json'));
  expect(made).toEqual({ id: expect.stringMatching(/^apk_/), secret: expect.stringMatching(/^spa_/) });
});
