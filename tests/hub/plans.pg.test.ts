import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type FullHub, fill } from './load/fill.ts';
import { type ExecutedPlan, PlanTap } from './load/plan-tap.ts';
import { judge } from './load/plans.ts';
import { rules } from './load/rules.ts';

/**
 * What judges that no query of hub and publisher goes without an index (docs/adr/0041-plans.md). The catalogue itself
 * is walked by `npm run bench -- hub --plans`, on a full database: a planner is right to read a small table whole.
 */
const size: FullHub = { tenants: 1200, clusters: 6000, keys: 12_000, history: 4000 };
const patienceMs = 300_000;

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await createDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await fill(sql, size);
}, patienceMs);
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

test('every table that may grow is filled, so that its plans mean something', async () => {
  const tables = await sql<{ name: string; rows: number }[]>`
    select relname as name, reltuples::int as rows from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`;
  const growing = tables.filter(({ name }) => !(name in rules.bounded));
  expect(growing.filter(({ rows }) => rows < size.history / 4)).toEqual([]);
  const names = tables.map(({ name }) => name);
  expect(Object.keys(rules.bounded).filter((name) => !names.includes(name))).toEqual([]);
});

describe('what is judged', () => {
  const heard: ExecutedPlan[] = [];
  let tap: PlanTap;
  let through: postgres.Sql;
  beforeAll(async () => {
    tap = await PlanTap.start(database.url, (executed) => heard.push(executed));
    through = postgres(tap.url, { max: 1, onnotice: () => {} });
    await through`create function pg_temp.hidden() returns bigint language plpgsql as $$
      begin return (select count(*) from agent_keys where verifier = 'x'); end $$`;
  });
  afterAll(async () => {
    await through.end();
    await tap[Symbol.asyncDispose]();
  });
  const faultsOf = async (text: string) => {
    heard.length = 0;
    await through.unsafe(text);
    const tables = new Set(['agent_keys', 'clusters', 'regions']);
    return heard.flatMap((executed) => judge(executed, rules, tables).faults);
  };

  test.each([
    [
      'a scan for want of an index',
      `select from agent_keys where verifier = 'x'`,
      'Seq Scan of agent_keys: no index',
    ],
    ['the same inside of a function', 'select pg_temp.hidden()', 'Seq Scan of agent_keys: no index'],
    [
      'a filter on the way along an index',
      `select from (select * from agent_keys where verifier = 'x' order by id) k limit 1`,
      'agent_keys',
    ],
    [
      'a sort of all there is',
      'select from clusters order by upstream_url, created_at limit 1',
      'Seq Scan of clusters',
    ],
    ['a count', `select count(*) from clusters where id > ''`, 'clusters: it reads|clusters: no index'],
  ])('%s is a fault', async (_, text, fault) => {
    expect((await faultsOf(text)).join()).toMatch(new RegExp(fault));
  });

  test.each([
    ['one thing by its id', `select from agent_keys where id = 'x'`],
    ['a page', 'select from clusters order by id limit 200'],
    ['a table that does not grow', 'select from regions'],
  ])('%s is none', async (_, text) => {
    expect(await faultsOf(text)).toEqual([]);
    expect(heard.length).toBeGreaterThan(0);
  });
});
