import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

const folder = 'hub/db/migrations';
const journal: { entries: { tag: string }[] } = JSON.parse(
  readFileSync(`${folder}/meta/_journal.json`, 'utf8'),
);
const verifier = 'v'.repeat(43);

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await createDatabase('empty');
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

async function migrate(tags: readonly string[]): Promise<void> {
  await sql.begin(async (tx) => {
    for (const tag of tags)
      for (const statement of readFileSync(`${folder}/${tag}.sql`, 'utf8').split('--> statement-breakpoint'))
        if (statement.trim() !== '') await tx.unsafe(statement);
  });
}

const told = async () => [
  await sql`select kind, key, revision from heads order by 1, 2`,
  await sql`select kind, key from outbox order by id`,
];
const triggers = () => sql`
  select tgname as name, tgenabled as mode from pg_trigger
  where tgrelid = 'agent_keys'::regclass and not tgisinternal order by 1`;

test('[law 1] keys are given their tenant, no region is told of it, and every trigger fires as before', async () => {
  const tags = journal.entries.map(({ tag }) => tag);
  const at = tags.indexOf('0015_load');
  await migrate(tags.slice(0, at));
  await sql`insert into tenants (id, name) values ('ten_a', 'a'), ('ten_b', 'b')`;
  await sql`insert into clusters (id, tenant_id, name, upstream_url)
    values ('vci_a', 'ten_a', 'a', 'http://a'), ('vci_b', 'ten_b', 'b', 'http://b')`;
  await sql`insert into agent_keys (id, cluster_id, name, verifier)
    values ('aki_a', 'vci_a', 'a', ${verifier}), ('aki_b', 'vci_b', 'b', ${verifier})`;
  const [before, firing] = [await told(), await triggers()];

  await migrate(tags.slice(at));
  expect(await sql`select id, tenant_id from agent_keys order by id`).toEqual([
    { id: 'aki_a', tenant_id: 'ten_a' },
    { id: 'aki_b', tenant_id: 'ten_b' },
  ]);
  expect(await told()).toEqual(before);
  const now = await triggers();
  expect(now.filter(({ name }) => name !== 'set_tenant')).toEqual([...firing]);
  expect(now.find(({ name }) => name === 'set_tenant')).toMatchObject({ mode: 'A' });
});

test("whoever writes a key, its tenant is its cluster's, and stays", async () => {
  await sql`set session_replication_role = replica`;
  await sql`insert into agent_keys (id, cluster_id, tenant_id, name, verifier)
    values ('aki_c', 'vci_b', 'ten_a', 'c', ${verifier})`;
  await expect(sql`update agent_keys set tenant_id = 'ten_a' where id = 'aki_c'`).rejects.toThrow(
    'cannot be changed',
  );
  await sql`set session_replication_role = origin`;
  expect(await sql`select tenant_id from agent_keys where id = 'aki_c'`).toEqual([{ tenant_id: 'ten_b' }]);
  await expect(sql`insert into agent_keys (id, cluster_id, name, verifier)
    values ('aki_d', 'vci_none', 'd', ${verifier})`).rejects.toMatchObject({ code: '23503' });
});
