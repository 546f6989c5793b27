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
/**
 * A transaction that is cut off between two of its statements, and goes on with them only when the pool's one
 * connection serves the next transaction already.
 */
const lingering = (mend: string) => `
  ${mend}
  const { default: postgres } = await import('postgres');
  const sql = postgres(process.env.DATABASE_URL, { max: 1, connect_timeout: 2, backoff: () => 0, onnotice: () => {} });
  const other = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {} });
  await other\`create table if not exists kept (who text)\`;
  await other\`truncate kept\`;
  const { promise: cutOff, resolve: goOn } = Promise.withResolvers();
  let said;
  const first = sql.begin(async (tx) => {
    const [{ pid }] = await tx\`select pg_backend_pid() as pid\`;
    await other\`select pg_terminate_backend(\${pid})\`;
    await cutOff;
    said = await tx\`insert into kept values ('first')\`.then(() => 'done', (error) => error.code);
    throw new Error('given up');
  }).then(() => 'committed', (error) => error.code);
  const outcomes = [await first];
  outcomes.push(await sql.begin(async (tx) => {
    await tx\`insert into kept values ('second')\`;
    goOn();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await tx\`insert into kept values ('second, too')\`;
  }).then(() => 'committed', (error) => error.code));
  const kept = (await other\`select who from kept order by who\`).map(({ who }) => who);
  console.log(JSON.stringify({ outcomes, said, kept }));
  process.exit(0);
`;
/** A reserved session that is cut off, and is used, and given back, when its connection serves others. */
const reserved = (mend: string) => `
  ${mend}
  const { default: postgres } = await import('postgres');
  const sql = postgres(process.env.DATABASE_URL, { max: 1, connect_timeout: 2, backoff: () => 0, onnotice: () => {} });
  const other = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {} });
  const session = await sql.reserve();
  const [{ pid }] = await session\`select pg_backend_pid() as pid, pg_advisory_lock(1)\`;
  await other\`select pg_terminate_backend(\${pid})\`;
  let said, again;
  for (let tries = 0; tries < 50 && again === undefined; tries++)
    again = await sql\`select 7 as again\`.then(([row]) => row.again, () => undefined);
  said = await session\`select 1\`.then(() => 'done', (error) => error.code);
  session.release();
  const both = await Promise.all([sql\`select 1 as one\`, sql\`select 2 as one\`]);
  console.log(JSON.stringify({ again, said, both: both.map(([{ one }]) => one) }));
  process.exit(0);
`;
/** Four questions at once, then eight one after the other: over how many connections do those go? */
const inARow = (mend: string) => `
  ${mend}
  const { default: postgres } = await import('postgres');
  const sql = postgres(process.env.DATABASE_URL, { max: 4 });
  const pid = async (seconds) => (await sql\`select pg_backend_pid() as pid, pg_sleep(\${seconds})\`)[0].pid;
  const atOnce = await Promise.all([pid(0.2), pid(0.2), pid(0.2), pid(0.2)]);
  const after = [];
  for (let times = 0; times < 8; times++) after.push(await pid(0));
  console.log(JSON.stringify([new Set(atOnce).size, new Set(after).size]));
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

  test('[law 1] as the services load it, what is left of the transaction touches no other', async () => {
    const { stdout } = await run(lingering(mend));
    const { outcomes, said, kept } = JSON.parse(stdout);
    expect(outcomes[0]).toMatch(/57P01|CONNECTION|ECONNRESET/);
    expect(said).toBe('CONNECTION_CLOSED');
    expect(outcomes[1]).toBe('committed');
    expect(kept).toEqual(['second', 'second, too']);
  });

  test('as the services load it, a reserved session that was cut off stays so', async () => {
    const { stdout } = await run(reserved(mend));
    expect(JSON.parse(stdout)).toEqual({ again: 7, said: 'CONNECTION_CLOSED', both: [1, 2] });
  });

  test('as the services load it, takes the connection that was used last; as it comes, all by turns', async () => {
    expect(JSON.parse((await run(inARow(mend))).stdout)).toEqual([4, 1]);
    expect(JSON.parse((await run(inARow(''))).stdout)).toEqual([4, 4]);
  });

  test('as it comes, rolls back another transaction, which is told that it was committed: else the mend can go', async () => {
    const { stdout } = await run(lingering(''));
    const { outcomes, kept } = JSON.parse(stdout);
    expect(outcomes[1]).toBe('committed');
    expect(kept).not.toContain('second');
  });

  test('as it comes, ends the process: else infra/bin/mended-driver.ts can go', async () => {
    // Whether the socket has gone before the timer fires is a matter of luck, mostly bad.
    const ended = async (triesLeft: number): Promise<string> => {
      const how = await run(script('')).then(() => 'went on', String);
      return how === 'went on' && triesLeft > 1 ? ended(triesLeft - 1) : how;
    };
    expect(await ended(10)).toContain("reading 'write'");
  });
});

test.each(['connection.js', 'index.js'])('%s of the installed driver is one that is mended', (file) => {
  const entry = createRequire(import.meta.url).resolve('postgres');
  const source = readFileSync(join(dirname(entry), '../../src', file), 'utf8');
  expect(mended(file, source)).not.toBe(source);
});
