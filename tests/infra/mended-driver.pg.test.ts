import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mended } from '../../infra/bin/mended-driver.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

/**
 * A process of its own that is cut off by Postgres in the middle of a transaction, goes on, and says what became of
 * it. Run with the driver as it comes, and as the services load it.
 */
const script = (mend: string) => `
  ${mend}
  const { default: postgres } = await import('postgres');
  const sql = postgres(process.env.DATABASE_URL, { max: 1, connect_timeout: 2, onnotice: () => {} });
  const other = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {} });
  const cut = () => sql.begin(async (tx) => {
    const [{ pid }] = await tx\`select pg_backend_pid() as pid\`;
    await other\`select pg_terminate_backend(\${pid})\`;
    while ((await other\`select 1 from pg_stat_activity where pid = \${pid}\`).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await tx\`select 1\`;
  }).then(() => 'committed', (error) => error.code);
  const outcomes = [];
  for (let times = 0; times < 5; times++) outcomes.push(await cut());
  // A query may still meet the connection that is going; what counts is that the next ones do not.
  let again;
  for (let tries = 0; tries < 50 && again === undefined; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    again = await sql\`select 7 as again\`.then(([row]) => row.again, () => undefined);
  }
  console.log(JSON.stringify({ outcomes, again }));
  process.exit(0);
`;
const root = fileURLToPath(new URL('../..', import.meta.url));
const mend = "await import('./infra/bin/mended-driver.ts');";

describe('the driver, cut off in a transaction', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase('empty');
  });
  afterAll(() => database?.[Symbol.asyncDispose]());

  const run = (source: string) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], {
      cwd: root,
      env: { PATH: process.env.PATH, DATABASE_URL: database.url },
      timeout: 20_000,
    });

  test('as the services load it, fails what is under way and goes on', async () => {
    const { stdout } = await run(script(mend));
    const { outcomes, again } = JSON.parse(stdout);
    expect(again).toBe(7);
    for (const outcome of outcomes) expect(outcome).toMatch(/57P01|CONNECTION|ECONNRESET/);
  });

  test('as it comes, ends the process: else infra/bin/mended-driver.ts can go', async () => {
    await expect(run(script(''))).rejects.toThrow("reading 'write'");
  });
});

test('the installed driver is one that is mended', () => {
  const entry = createRequire(import.meta.url).resolve('postgres');
  const source = readFileSync(join(dirname(entry), '../../src/connection.js'), 'utf8');
  expect(mended(source)).not.toBe(source);
});
