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

test('promote-epoch finds nothing to do where no region is ahead, and names a region that does not answer', async () => {
  await using database = await createDatabase();
  expect(await spokecast(database.url, 'hub', 'promote-epoch')).toMatch(
    /^No region is ahead of this hub: nothing to do, and the epoch stays 1\.\n$/,
  );
  const sql = postgres(database.url, { max: 1 });
  try {
    await sql`insert into regions (id, store_endpoint, store_table) values ('gone-1', 'http://127.0.0.1:9', 'gone')`;
    await expect(spokecast(database.url, 'hub', 'promote-epoch')).rejects.toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/gone-1 \(.*\).*Nothing was changed.*--without gone-1/s),
    });
    const forced = await spokecast(
      database.url,
      ...['hub', 'promote-epoch', '--without', 'gone-1', '--force', '--json'],
    );
    expect(JSON.parse(forced)).toMatchObject({ outcome: 'promoted', epoch: { from: 1, to: 2 } });
    expect(await sql`select epoch from hub_state`).toEqual([{ epoch: 2 }]);
    await expect(
      spokecast(database.url, 'hub', 'promote-epoch', '--without', 'gone-2'),
    ).rejects.toMatchObject({
      stderr: expect.stringContaining('gone-2'),
    });
  } finally {
    await sql.end();
  }
});
