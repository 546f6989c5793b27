import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { begun, HubDatabase, type Session, someoneWaits, verifier } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2');
});
afterEach(() => hub.endSessions());
afterAll(() => hub[Symbol.asyncDispose]());
beforeEach(async () => {
  await hub.sql`delete from tenants`;
  await hub.cluster('vci_1', 'ten_1', 'r1');
  await hub.key('aki_1', 'vci_1');
});

const insertKey = `insert into agent_keys (id, cluster_id, name, verifier) values ('aki_2', 'vci_1', 'n', '${verifier}')`;

/** What `session` sees as the head's revision, inside its transaction. */
async function seen(session: Session, kind: string, key: string): Promise<number> {
  const [row] = await session`select revision from heads where kind = ${kind} and key = ${key}`;
  return Number(row!.revision);
}

async function end(session: Session, how: 'commit' | 'rollback'): Promise<void> {
  await session.unsafe(how);
  session.release();
}

describe('two transactions that change one context', () => {
  /** Statements whose contexts are the same one, though their rows may not be. */
  const pairs: [what: string, first: string, second: string, kind: string, key: string][] = [
    [
      'update, update',
      `update tenants set name = 'a'`,
      `update tenants set status = 'suspended'`,
      'tenant',
      'ten_1',
    ],
    [
      'a row and its placement',
      `update clusters set name = 'a'`,
      `update placements set overrides = '{"upstreamUrl":"http://o"}'`,
      'cluster',
      'vci_1',
    ],
    [
      'two placements',
      `update placements set overrides = '{"settings":{}}'`,
      `insert into placements (cluster_id, region) values ('vci_1', 'r2')`,
      'cluster',
      'vci_1',
    ],
    [
      'delete, insert again',
      'delete from agent_keys',
      insertKey.replace('aki_2', 'aki_1'),
      'agent-key',
      'aki_1',
    ],
    [
      'update, delete',
      `update agent_keys set status = 'disabled'`,
      `delete from agent_keys where id = 'aki_1'`,
      'agent-key',
      'aki_1',
    ],
  ];
  test.each(pairs)(
    '[law 2] %s: the later commit has the higher revision',
    async (_what, first, second, kind, key) => {
      const [one, two] = [await begun(hub), await begun(hub)];
      await one.unsafe(first);
      const drawnFirst = await seen(one, kind, key);
      const waiting = two.unsafe(second).execute();
      await expect.poll(() => someoneWaits(hub)).toBe(true);
      // Revisions that others draw meanwhile must not make the later commit the lower number.
      for (let n = 0; n < 5; n++) await hub.sql`select nextval('revisions')`;
      await end(one, 'commit');
      await waiting;
      const drawnSecond = await seen(two, kind, key);
      await end(two, 'commit');
      expect(drawnSecond).toBeGreaterThan(drawnFirst + 5);
      expect(await hub.revision(kind, key)).toBe(drawnSecond);
    },
  );

  test('[law 2] insert, insert: the one that waited for the other draws the higher, or its own where the other gave up', async () => {
    for (const how of ['commit', 'rollback'] as const) {
      await hub.sql`delete from agent_keys where id = 'aki_2'`;
      await hub.sql`delete from heads where key = 'aki_2' and deleted`;
      const [one, two] = [await begun(hub), await begun(hub)];
      await one.unsafe(insertKey);
      const drawnFirst = await seen(one, 'agent-key', 'aki_2');
      const waiting = two.unsafe(`${insertKey} on conflict (id) do update set status = 'disabled'`).execute();
      await expect.poll(() => someoneWaits(hub)).toBe(true);
      await end(one, how);
      await waiting;
      await end(two, 'commit');
      expect(await hub.revision('agent-key', 'aki_2')).toBeGreaterThan(drawnFirst);
    }
  });

  test('[law 2] two placements of one new head: the one that waits draws after the lock is held', async () => {
    await hub.sql`insert into clusters (id, tenant_id, name, upstream_url) values ('vci_2', 'ten_1', 'two', 'http://x')`;
    await hub.sql`update heads set deleted = true where key = 'vci_2'`;
    await hub.sql`delete from heads where key = 'vci_2'`;
    const [one, two] = [await begun(hub), await begun(hub)];
    await hub.place('vci_2', 'r1', one);
    const drawnFirst = await seen(one, 'cluster', 'vci_2');
    const waiting = hub.place('vci_2', 'r2', two).execute();
    await expect.poll(() => someoneWaits(hub)).toBe(true);
    await end(one, 'commit');
    await waiting;
    expect(await seen(two, 'cluster', 'vci_2')).toBeGreaterThan(drawnFirst);
    await end(two, 'commit');
  });
});

test('[law 2] a head that was purged draws higher than all it ever had', async () => {
  await hub.sql`update agent_keys set status = 'disabled'`;
  await hub.sql`delete from agent_keys where id = 'aki_1'`;
  const tombstone = await hub.revision('agent-key', 'aki_1');
  await hub.sql`delete from heads where key = 'aki_1'`;
  await hub.key('aki_1', 'vci_1');
  expect(await hub.revision('agent-key', 'aki_1')).toBeGreaterThan(tombstone);
});

test('[law 2] many writers of one context: in commit order, revisions only grow', async () => {
  // The order of commits is told by the order of the outbox rows' deletion of a lock: each writer notes, while it
  // still holds the head's lock, what it drew; the lock is let go at commit, so notes are in commit order.
  await hub.sql`create table noted (at bigint generated always as identity, revision bigint)`;
  const writer = async (name: string) => {
    const session = await hub.session().reserve();
    for (let n = 0; n < 25; n++) {
      await session`begin`;
      await session`update tenants set name = ${`${name}${n}`} where id = 'ten_1'`;
      await session`insert into noted (revision) select revision from heads where kind = 'tenant' and key = 'ten_1'`;
      await session.unsafe(n % 5 === 4 ? 'rollback' : 'commit');
    }
    session.release();
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(writer));
  const noted = (await hub.sql`select revision from noted order by at`).map((row) => Number(row.revision));
  expect(noted).toHaveLength(80);
  expect(noted).toEqual([...noted].sort((a, b) => a - b));
  expect(new Set(noted).size).toBe(80);
  await hub.sql`drop table noted`;
});

test('two bulk changes that overlap lock heads in the order of keys, and neither is a deadlock', async () => {
  for (let n = 0; n < 50; n++) await hub.key(`aki_b${n}`, 'vci_1');
  const bulk = async (order: string) => {
    for (let n = 0; n < 8; n++) {
      // Rows are locked in whatever order a statement meets them, so these take them one by one in different orders.
      await hub.sql.unsafe(`select touch_heads('agent-key', array(
        select key from heads where kind = 'agent-key' order by key ${order}), null)`);
    }
  };
  await Promise.all([bulk('asc'), bulk('desc')]);
});
