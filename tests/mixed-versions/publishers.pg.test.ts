import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { oneByOne } from '../../contexts/base/merge-join.ts';
import { noCounts } from '../../hub/db/sweeps.ts';
import { HubAndSpokes, until } from '../replication/support/hub-and-spokes.ts';
import { heldLive } from '../replication/support/independent.ts';
import { gatewayOf, publisherOf } from './side-by-side.ts';
import { asOfN, asOfNext, plantTree, type Tree } from './tree.ts';

/**
 * Two builds at once: N as it was frozen, and N+1, which has a field more in one kind and a kind more. Each is the
 * real code in a tree of its own. Nothing may go back and forth between them, and nothing may be unread by either.
 */
const region = 'eu-west-1';
const tenants = 5;

let n: Tree;
let next: Tree;
beforeAll(async () => {
  [n, next] = [await plantTree(asOfN), await plantTree(asOfNext)];
});
afterAll(() => {
  n?.[Symbol.dispose]();
  next?.[Symbol.dispose]();
});

let wheel: HubAndSpokes;
let older: Awaited<ReturnType<typeof publisherOf>>;
let newer: Awaited<ReturnType<typeof publisherOf>>;
let keys: { id: string; secret: string; tenantId: string; clusterId: string }[];
beforeEach(async () => {
  wheel = await HubAndSpokes.start({ regions: [region], publishers: 0 });
  [older, newer] = [await publisherOf(n, wheel, region), await publisherOf(next, wheel, region)];
  const [{ hub_id: hubId }] = await wheel.sql<[{ hub_id: string }]>`select hub_id from hub_state`;
  await older.store.initialise({ environment: 'test', region, hubId }, { shards: 4, newIncarnation: 'inc' });
  keys = [];
  for (let at = 0; at < tenants; at++) {
    const made = await wheel.newCluster([region]);
    keys.push({ ...made, ...(await wheel.newKey(made.clusterId)) });
  }
});
afterEach(async () => {
  await older[Symbol.asyncDispose]();
  await newer[Symbol.asyncDispose]();
  await wheel[Symbol.asyncDispose]();
});

const nothing = noCounts();
/** What a sweep of a region with that many contexts counts when it finds nothing. */
const quiet = (scanned: number) => ({ ...nothing, scanned });
const contexts = 3 * tenants;
const settled = async () => {
  await wheel.sql`delete from outbox`;
};
const schemaVersions = async () => {
  const versions = new Set<string>();
  for await (const item of oneByOne(wheel.spoke(region).store.scan('tenant')))
    if (item.state === 'context') versions.add(item.envelope.version.slice(-4));
  return [...versions].sort();
};

/** Sweeps by turns, and no write at all among them: counted at the store. */
async function expectCalm(scanned: number): Promise<void> {
  // What the other build changed is announced once more by the first that sweeps after it.
  for (const publisher of [older, newer]) await publisher.sweep();
  const { proxy } = wheel.spoke(region);
  proxy.reset();
  for (const publisher of [older, newer, older, newer, newer, older])
    expect(await publisher.sweep()).toEqual(quiet(scanned));
  expect(proxy.count('Query'), 'they did sweep').toBeGreaterThan(0);
  expect(proxy.count('PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'TransactWriteItems')).toBe(0);
}

describe('two builds of the publisher beside each other', () => {
  test('[law 2] [law 3] the newer rewrites what it knows more of, once, and then neither writes', async () => {
    expect(await older.writes(() => older.sweep())).toBe(contexts);
    expect(await schemaVersions()).toEqual(['0001']);
    expect(await older.sweep()).toEqual(quiet(contexts));

    const counts = await newer.sweep();
    expect(counts).toMatchObject({ stale: tenants, written: tenants, corrupt: 0, ahead: 0, orphan: 0 });
    expect(await schemaVersions()).toEqual(['0002']);
    await expectCalm(contexts);
    expect(await schemaVersions()).toEqual(['0002']);
  });

  test('[law 2] a change goes to either first, and is written once by each at the most', async () => {
    await newer.sweep();
    for (const [first, second, writes] of [
      [older, newer, [1, 1]],
      [newer, older, [1, 0]],
    ] as const) {
      await settled();
      await wheel.sql`update tenants set name = name || '!' where id = ${keys[0]!.tenantId}`;
      const seen = [await first.writes(() => first.refresh()), await second.writes(() => second.refresh())];
      expect(seen).toEqual(writes);
      expect([...(await older.refresh()).values()]).toEqual(['superseded']);
      await expectCalm(contexts);
    }
  });

  test('[law 3] what only the older published is brought up to date by the sweep of the newer', async () => {
    await newer.sweep();
    await settled();
    await wheel.sql`update tenants set status = 'suspended' where id = ${keys[0]!.tenantId}`;
    await older.refresh();
    expect(await schemaVersions()).toEqual(['0001', '0002']);
    expect(await older.sweep(), 'the older finds nothing wrong').toMatchObject({ written: 0, stale: 0 });
    expect(await newer.sweep()).toMatchObject({ stale: 1, written: 1 });
    await expectCalm(contexts);
  });

  test('[law 2] deletions by either, in either order', async () => {
    await newer.sweep();
    await settled();
    await wheel.sql`delete from agent_keys where id = ${keys[0]!.id}`;
    await wheel.sql`delete from tenants where id = ${keys[1]!.tenantId}`;
    expect(await older.writes(() => older.refresh())).toBe(4);
    expect(await newer.writes(() => newer.refresh()), 'the tombstone of the tenant, under its version').toBe(
      1,
    );
    expect(await older.writes(() => older.refresh())).toBe(0);
    await expectCalm(contexts);
  });

  test('[law 3] rolled back, the older goes on alone: what the newer wrote stays until it changes', async () => {
    await newer.sweep();
    await older.sweep();
    const { proxy } = wheel.spoke(region);
    proxy.reset();
    for (let turn = 0; turn < 3; turn++) expect(await older.sweep()).toEqual(quiet(contexts));
    expect(proxy.count('PutItem', 'UpdateItem', 'DeleteItem')).toBe(0);
    await settled();
    await wheel.sql`update tenants set name = name || '?' where id = any(${keys.map((key) => key.tenantId)})`;
    expect(await older.writes(() => older.refresh())).toBe(tenants);
    expect(await schemaVersions()).toEqual(['0001']);
    const held = await heldLive(wheel.spoke(region).store);
    for (const { tenantId } of keys) expect(held.get(`tenant/${tenantId}`)).not.toHaveProperty('note');
  });

  test('[law 3] what is corrupt is mended by whichever sweeps first, and that is all', async () => {
    await newer.sweep();
    for (const [first, second] of [
      [older, newer],
      [newer, older],
    ] as const) {
      const ref = { kind: 'tenant', key: keys[0]!.tenantId } as const;
      await wheel.spoke(region).raw.editContext(ref, { bodyText: '{"name":"edited","status":"active"}' });
      expect(await first.sweep()).toMatchObject({ corrupt: 1, written: 1 });
      expect(await second.sweep()).toMatchObject({ corrupt: 0, ahead: 0 });
      await settled();
      await expectCalm(contexts);
    }
  });

  test('[law 1] a kind that only the newer knows is the newer alone’s: not claimed, not swept, not lost', async () => {
    await newer.sweep();
    await settled();
    await wheel.sql.begin(async (sql) => {
      await sql`select touch_heads('beacon', array[${region}]::text[], false)`;
      await sql`insert into outbox (kind, key, regions, cause, tightens) values ('beacon', ${region}, array[${region}], 'row', false)`;
    });
    const claim = { claimant: 'x', leaseMs: 1, limit: 10, takes: 'all-else' } as const;
    const claimedBy = async ({ connect, outbox }: Tree) => {
      await using database = connect(wheel.databaseUrl, { applicationName: 'test', max: 1 });
      return (await outbox.claimChanges(database.db, claim)).map(({ kind }) => kind as string);
    };
    expect(await claimedBy(n)).toEqual([]);
    expect(await claimedBy(next)).toEqual(['beacon']);
    expect(await newer.writes(() => newer.refresh())).toBe(1);
    const beacon = async () =>
      (await wheel.spoke(region).raw.all()).filter((item) => String(item.pk?.S).startsWith('beacon#'));
    expect(await beacon()).toHaveLength(1);
    await older.sweep();
    expect(await older.sweep()).toEqual(quiet(contexts));
    expect(await beacon()).toHaveLength(1);
    expect(await newer.sweep()).toMatchObject({ scanned: contexts + 1, written: 0, orphan: 0 });
  });
});

describe('gateways of either build', () => {
  for (const publishing of ['N', 'N+1', 'both by turns'] as const) {
    test(`[law 6] read all that ${publishing} publish${publishing === 'both by turns' ? '' : 'es'}`, async () => {
      const publishers = publishing === 'N' ? [older] : publishing === 'N+1' ? [newer] : [older, newer];
      for (const publisher of publishers) await publisher.sweep();
      await using gatewayN = await gatewayOf(n, wheel, region);
      await using gatewayNext = await gatewayOf(next, wheel, region);
      const all = [gatewayN, gatewayNext];
      const become = async (secret: string, status: number) => {
        for (const gateway of all)
          await until(async () => (await gateway.ask(secret)) === status, `a gateway answers ${status}`);
      };
      const change = async (statement: () => Promise<unknown>) => {
        await settled();
        await statement();
        for (const publisher of publishers) await publisher.refresh();
      };
      for (const { secret } of keys) await become(secret, 200);
      const [first, second] = [keys[0]!, keys[1]!];
      await change(() => wheel.sql`update tenants set status = 'suspended' where id = ${first.tenantId}`);
      await become(first.secret, 403);
      await change(() => wheel.sql`update tenants set status = 'active' where id = ${first.tenantId}`);
      await become(first.secret, 200);
      await change(() => wheel.sql`delete from agent_keys where id = ${second.id}`);
      await become(second.secret, 401);
      for (const { secret } of keys.slice(2)) await become(secret, 200);
      for (const gateway of all)
        expect(await gateway.metrics()).not.toMatch(/^spokecast_undecodable_total\{/m);
    });
  }

  test('[law 2] a gateway restarted as the other build, upgraded or rolled back, answers as before', async () => {
    await newer.sweep();
    const [first] = keys;
    await wheel.sql`update agent_keys set status = 'disabled' where id = ${first!.id}`;
    await newer.refresh();
    for (const tree of [n, next, n]) {
      await using gateway = await gatewayOf(tree, wheel, region);
      await until(async () => (await gateway.ask(keys[1]!.secret)) === 200, 'it answers');
      expect(await gateway.ask(first!.secret)).toBe(403);
    }
  });
});
