import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueues } from '../../publisher/queues.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { describeQueues, withPort } from './queues-suite.ts';

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await createDatabase('empty');
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database[Symbol.asyncDispose]();
});

const open = (databaseUrl: string, onError: (error: Error) => void, connectionsMax = 20) =>
  openQueues({ redisUrl: undefined, databaseUrl, connectionsMax, onError });

describeQueues('queues in Postgres', () => ({
  url: database.url,
  open: (onError, port) => open(withPort(database.url, port), onError),
  killConnections: async () => {
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
  },
}));

test('are prepared by several publishers at once', async () => {
  await using empty = await createDatabase('empty');
  const publishers = [1, 2, 3].map(() => open(empty.url, () => {}));
  try {
    await Promise.all(publishers.map((queues) => queues.prepare()));
    await Promise.all(publishers.map((queues) => queues.prepare()));
  } finally {
    await Promise.all(publishers.map((queues) => queues[Symbol.asyncDispose]()));
  }
});

test('every connection names itself, and may not idle in a transaction', async () => {
  await using queues = open(database.url, () => {});
  await queues.prepare();
  const [row] = await sql`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name = 'spokecast publisher jobs'`;
  expect(row!.n).toBeGreaterThan(0);
  expect(queues.backend).toBe('postgres');
});
