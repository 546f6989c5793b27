import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { settleBounded } from '../../../contexts/base/bounded.ts';
import { systemClock } from '../../../contexts/base/clock.ts';
import { type Budget, claimLosses, type Loss, trimLosses } from '../../../hub/db/budget.ts';
import { buildContexts } from '../../../hub/db/builders/index.ts';
import { connect } from '../../../hub/db/client.ts';
import { approvePlan, concludeHolds, countHolds, listHolds } from '../../../hub/db/holds.ts';
import { countLostKeys, lostKeysCounted } from '../../../hub/db/lost-keys.ts';
import { beginSweep } from '../../../hub/db/sweeps.ts';
import { begun, HubDatabase, verifier } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2');
  await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
  await hub.key('aki_0', 'vci_1');
});
afterAll(() => hub[Symbol.asyncDispose]());
beforeEach(async () => {
  await hub.endSessions();
  for (const table of ['losses', 'holds', 'region_contents', 'sweeps'])
    await hub.sql.unsafe(`delete from ${table}`);
});

const budget: Budget = { region: 'r1', percent: 10, min: 20, windowMs: 600_000 };
const lossesOf = (from: number, count: number, replaced = 'v1'): Loss[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${from + i}`, revision: null, replaced, turn: 'goes' }));
const claim = async (losses: readonly Loss[], more: Partial<Budget> = {}) => {
  const held = await claimLosses(hub.db, { ...budget, ...more }, 'agent-key', losses);
  return held.size;
};
/** Whoever waits too long for the others' turn is refused, and comes again. */
const patiently = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      expect(error).toMatchObject({ cause: { code: '55P03' } }); // lock_not_available
    }
  }
};
const contexts = (count: number) =>
  hub.sql`insert into region_contents (region, kind, contexts) values ('r1', 'agent-key', ${count})`;
const ranSweep = async (id: string, judgedAll = true) => {
  await concludeHolds(hub.db, { id, region: 'r1', contexts: new Map(), judgedAll });
  return (await hub.sql`select plan from sweeps where id = ${id}`)[0]!.plan as string | null;
};

describe('[law 9] the budget of losses', () => {
  test('lets as many through as it says and holds what is asked for beyond, whole', async () => {
    expect(await claim(lossesOf(0, 15))).toBe(0);
    expect(await claim(lossesOf(15, 6))).toBe(6);
    expect(await claim(lossesOf(30, 5))).toBe(0);
    expect(await claim(lossesOf(40, 1))).toBe(1);
  });

  test('is a share of what the region held when it was last swept, where that is more', async () => {
    await contexts(1000);
    expect(await claim(lossesOf(0, 101))).toBe(101);
    expect(await claim(lossesOf(200, 100))).toBe(0);
    expect(await claim(lossesOf(400, 1))).toBe(1);
  });

  test('is each region and kind on its own', async () => {
    expect(await claim(lossesOf(0, 20))).toBe(0);
    expect(await claim(lossesOf(0, 20), { region: 'r2' })).toBe(0);
    expect((await claimLosses(hub.db, budget, 'cluster', lossesOf(0, 20))).size).toBe(0);
  });

  test('is claimed once for the same loss, however often it is tried, and again when it was made good', async () => {
    for (let i = 0; i < 3; i++) expect(await claim(lossesOf(0, 20))).toBe(0);
    expect(await claim(lossesOf(0, 1, 'v2'))).toBe(1);
  });

  test('rolls on, but what was held stays held', async () => {
    expect(await claim(lossesOf(0, 20))).toBe(0);
    expect(await claim(lossesOf(20, 5))).toBe(5);
    await hub.sql`update losses set at = at - interval '11 minutes'`;
    expect(await claim(lossesOf(20, 5))).toBe(5);
    expect(await claim(lossesOf(30, 20))).toBe(0);
  });

  test('is shared: ten publishers at once never get more than there is', async () => {
    const databases = Array.from({ length: 10 }, () => connect(hub.url, { applicationName: 'test', max: 1 }));
    try {
      const results = await settleBounded(databases, 10, async ({ db }) => {
        let granted = 0;
        for (let i = 0; i < 10; i++) {
          const from = databases.findIndex((one) => one.db === db) * 100 + i * 3;
          granted +=
            3 - (await patiently(() => claimLosses(db, budget, 'agent-key', lossesOf(from, 3)))).size;
        }
        return granted;
      });
      const granted = results.map((result) => (result.status === 'fulfilled' ? result.value : Number.NaN));
      expect(granted.reduce((sum, one) => sum + one, 0)).toBe(18);
    } finally {
      for (const database of databases) await database[Symbol.asyncDispose]();
    }
  });

  test('holds nobody up for long: a claimant that froze in the middle makes the others fail within seconds', async () => {
    const frozen = await begun(hub);
    await frozen`select pg_advisory_xact_lock(hashtextextended('spokecast losses r1 agent-key', 0))`;
    const startedAt = systemClock.monotonic();
    await expect(claim(lossesOf(0, 1))).rejects.toThrow();
    expect(systemClock.monotonic() - startedAt).toBeLessThan(60_000);
    expect(await claim(lossesOf(0, 1), { region: 'r2' })).toBe(0);
  });

  test('forgets claims that are days old', async () => {
    await claim(lossesOf(0, 5));
    await hub.sql`update losses set at = at - interval '3 days' where key < 'k3'`;
    await trimLosses(hub.db);
    expect(await hub.sql`select 1 from losses`).toHaveLength(2);
  });
});

describe('[law 9] the keys that a tenant or a cluster takes along where it turns to deny', () => {
  const keysOf = async (cluster: string, count: number, more = {}) => {
    const row = { cluster_id: cluster, name: 'k', verifier, ...more };
    const rows = Array.from({ length: count }, (_, i) => ({ id: `aki_${cluster}_${keys + i}`, ...row }));
    keys += count;
    await hub.sql`insert into agent_keys ${hub.sql(rows)}`;
  };
  let keys = 0;
  const turning = (key: string, turn: Loss['turn'] = 'denies'): Loss => ({
    ...{ key, revision: null, replaced: 'v1', turn },
  });
  const claimOf = (kind: 'tenant' | 'cluster', wanted: Loss[], region = 'r1') =>
    claimLosses(hub.db, { ...budget, region }, kind, wanted);
  beforeAll(async () => {
    for (const one of ['a', 'b', 'c']) await hub.cluster(`vci_${one}`, `ten_${one}`, 'r1');
    await hub.cluster('vci_aa', 'ten_a', 'r2');
    await keysOf('vci_a', 12);
    await keysOf('vci_aa', 30);
    await keysOf('vci_b', 8);
    await keysOf('vci_c', 21);
    await keysOf('vci_a', 30, { status: 'disabled' });
    await keysOf('vci_a', 30, { expires_at: new Date(0) });
  });

  afterAll(async () => {
    await hub.sql`delete from tenants where id <> 'ten_1'`;
    await hub.sql`delete from heads where key like 'aki_vci_%'`;
  });

  test('count as keys: one suspended tenant is one tenant and as many keys', async () => {
    const held = await claimOf('tenant', [turning('ten_c')]);
    expect(held.get('ten_c')).toEqual({
      reason: 'budget',
      detail:
        'more than 20 agent keys would stop to work with what turns to deny, beside 0 in the last 600 s, of 0; at most 20 may',
    });
    expect(await claimOf('cluster', [turning('vci_c')])).toHaveProperty('size', 1);
    await hub.sql`insert into region_contents (region, kind, contexts) values ('r1', 'agent-key', 210)`;
    expect(await claimOf('tenant', [turning('ten_c')])).toHaveProperty('size', 1); // what was held stays so
    await hub.sql`delete from holds`;
    expect(await claimOf('tenant', [turning('ten_c')])).toHaveProperty('size', 0);
  });

  test('are those of the region that work, and share their budget with keys that are lost by themselves', async () => {
    expect(await claimOf('tenant', [turning('ten_a')])).toHaveProperty('size', 0);
    expect(await claimOf('tenant', [turning('ten_a')], 'r2')).toHaveProperty('size', 1);
    expect(await claim(lossesOf(0, 9))).toBe(9);
    expect(await claim(lossesOf(20, 8))).toBe(0);
    expect(await claimOf('cluster', [turning('vci_b')])).toHaveProperty('size', 1);
  });

  test('are held together, and claimed once for the same turn', async () => {
    expect(
      await claimOf(
        'tenant',
        ['ten_a', 'ten_b', 'ten_1'].map((key) => turning(key)),
      ),
    ).toHaveProperty('size', 3);
    await hub.sql`delete from holds`;
    for (let i = 0; i < 3; i++)
      expect(await claimOf('tenant', [turning('ten_a'), turning('ten_b')])).toHaveProperty('size', 0);
    expect(await claim(lossesOf(0, 1))).toBe(1);
    await hub.sql`update losses set at = at - interval '11 minutes'`;
    expect(await claim(lossesOf(30, 20))).toBe(0);
  });

  test('count for themselves where it goes and they go with it', async () => {
    expect(await claimOf('tenant', [turning('ten_c', 'goes')])).toHaveProperty('size', 0);
    expect(await claim(lossesOf(0, 20))).toBe(0);
  });

  test('are counted from an index, and no further than there is room', async () => {
    await keysOf('vci_c', 2000);
    expect(await countLostKeys(hub.db, 'r1', 'tenant', ['ten_c'], 50)).toEqual(new Map([['ten_c', 51]]));
    const plan = await hub.db.transaction(async (tx) => {
      // Whether it can be had from the index: these tables are small enough to be read in any way.
      for (const way of ['seqscan', 'bitmapscan', 'indexscan'])
        await tx.execute(`set local enable_${way} = off`);
      const query = lostKeysCounted('r1', 'tenant', ['ten_c'], 50);
      return JSON.stringify(await tx.execute(sql`explain (analyze, format json) ${query}`));
    });
    const scans = [...plan.matchAll(/\{[^{}]*"Relation Name":"agent_keys"[^{}]*\}/g)].map(([text]) =>
      JSON.parse(text),
    );
    expect(scans).toEqual([
      expect.objectContaining({
        ...{ 'Node Type': 'Index Only Scan', 'Index Name': 'agent_keys_cluster_live', 'Actual Rows': 51 },
      }),
    ]);
  });
});

describe('[law 9] what is held', () => {
  test('is listed in pages, counted, and gone when the head has moved', async () => {
    await hub.sql.begin(async (sql) => {
      for (let i = 10; i < 35; i++) await hub.key(`aki_${i}`, 'vci_1', sql as never);
    });
    const rows =
      await hub.sql`select key, revision from heads where kind = 'agent-key' and key <> 'aki_0' order by key`;
    const losses = rows.map(({ key, revision }) => ({
      ...{ key, revision: Number(revision), replaced: 'v1' },
      turn: 'goes' as const,
    }));
    expect(await claim(losses)).toBe(25);
    const first = await listHolds(hub.db, 'r1', { limit: 20 });
    const after = { kind: 'agent-key', key: first.at(-1)!.key };
    const second = await listHolds(hub.db, 'r1', { limit: 20, after });
    expect([...first, ...second].map(({ key }) => key)).toEqual(losses.map(({ key }) => key));
    const counted = async () => (await countHolds(hub.db)).map(({ contexts }) => contexts);
    expect(await counted()).toEqual([25]);
    await hub.sql`update agent_keys set expires_at = now() where id = 'aki_10'`;
    expect(await counted()).toEqual([24]);
    await hub.sql`delete from agent_keys where id <> 'aki_0'`;
    expect(await counted()).toEqual([]);
  });

  test('is let through by the plan that shows it, and by no other', async () => {
    const plans: (string | null)[] = [];
    for (const [id, count] of [
      ['s1', 25],
      ['s2', 50],
    ] as const) {
      await beginSweep(hub.db, { id, region: 'r1', cause: 'requested' });
      await claim(lossesOf(0, count));
      plans.push(await ranSweep(id));
    }
    expect(new Set(plans).size).toBe(2);
    expect(await approvePlan(hub.db, 'r1', plans[0]!)).toEqual({ outcome: 'changed' });
    expect(await claim(lossesOf(0, 50))).toBe(50);
    expect(await approvePlan(hub.db, 'r2', plans[1]!)).toEqual({ outcome: 'changed' });
    expect(await approvePlan(hub.db, 'r1', plans[1]!)).toEqual({ outcome: 'approved', contexts: 50 });
    expect(await claim(lossesOf(0, 50))).toBe(0);
    expect(await claim(lossesOf(100, 20))).toBe(0); // approved ones took nothing from the budget
    expect(await claim(lossesOf(0, 50, 'v2'))).toBe(50); // it was of what the region held then
  });

  test('an approval is of the revision that was shown: a row that moved since is asked about again', async () => {
    const losses = (revision: number) => lossesOf(0, 25).map((loss) => ({ ...loss, revision }));
    await hub.sql`insert into heads (kind, key, revision, deleted)
      select 'agent-key', 'k' || i, 7, true from generate_series(0, 24) i`;
    await beginSweep(hub.db, { id: 's1', region: 'r1', cause: 'requested' });
    await claim(losses(7));
    const plan = await ranSweep('s1');
    expect((await approvePlan(hub.db, 'r1', plan!)).outcome).toBe('approved');
    expect(await claim(losses(8))).toBe(25);
    await hub.sql`delete from heads where key like 'k%'`;
  });

  test('a sweep removes what it did not find again, but for one that a freeze kept from judging', async () => {
    await claim(lossesOf(0, 25));
    await beginSweep(hub.db, { id: 's1', region: 'r1', cause: 'requested' });
    expect(await ranSweep('s1', false)).not.toBeNull();
    expect(await ranSweep('s1')).toBeNull();
    expect(await countHolds(hub.db)).toEqual([]);
  });

  test('all of a kind of which there is no row any more, however little', async () => {
    const session = await begun(hub);
    await session`delete from agent_keys`;
    await session`commit`;
    expect(await claim(lossesOf(0, 1))).toBe(1);
    expect((await listHolds(hub.db, 'r1', { limit: 5 }))[0]).toMatchObject({ reason: 'kind-empty' });
    await hub.key('aki_0', 'vci_1');
    expect(await claim(lossesOf(0, 1))).toBe(1); // what was held stays so
    expect(await claim(lossesOf(1, 1))).toBe(0);
  });
});

describe('[law 9] the stamp of what was intended', () => {
  const intended = async (kind: 'tenant' | 'cluster' | 'agent-key', key: string, region = 'r1') => {
    const [build] = await buildContexts(hub.db, region, [{ kind, key }], systemClock);
    return build!.state === 'live' || build!.state === 'gone' ? build!.intended : undefined;
  };
  const onPurpose = (change: string) =>
    hub.db.transaction(async (tx) => {
      await tx.execute(`set local spokecast.intended = 'on'`);
      await tx.execute(change);
    });

  test('is set by what is meant and reset by what nobody meant', async () => {
    await hub.key('aki_1', 'vci_1');
    expect(await intended('agent-key', 'aki_1')).toBe(false);
    await onPurpose(`update agent_keys set status = 'disabled' where id = 'aki_1'`);
    expect(await intended('agent-key', 'aki_1')).toBe(true);
    await hub.sql`select touch_heads('agent-key', '{aki_1}', null)`; // a repair, or a cascade
    expect(await intended('agent-key', 'aki_1')).toBe(true);
    await hub.sql`update agent_keys set expires_at = now() where id = 'aki_1'`;
    expect(await intended('agent-key', 'aki_1')).toBe(false);
    await onPurpose(`delete from agent_keys where id = 'aki_1'`);
    expect(await intended('agent-key', 'aki_1')).toBe(true);
  });

  test('ends with the transaction', async () => {
    const session = await begun(hub);
    await session`set local spokecast.intended = 'on'`;
    await session`update tenants set name = 'one' where id = 'ten_1'`;
    await session`commit`;
    expect(await intended('tenant', 'ten_1')).toBe(true);
    await session`update tenants set name = 'two' where id = 'ten_1'`;
    expect(await intended('tenant', 'ten_1')).toBe(false);
  });

  test('a placement that is ended on purpose takes along what leaves with it, in that region alone', async () => {
    await hub.cluster('vci_2', 'ten_2', 'r1', 'r2');
    await hub.key('aki_2', 'vci_2');
    await hub.sql`update agent_keys set status = 'disabled' where id = 'aki_2'`;
    await onPurpose(`delete from placements where cluster_id = 'vci_2' and region = 'r1'`);
    const things = [
      ['tenant', 'ten_2'],
      ['cluster', 'vci_2'],
      ['agent-key', 'aki_2'],
    ] as const;
    for (const [kind, key] of things) {
      expect(await intended(kind, key, 'r1'), kind).toBe(true);
      expect(await intended(kind, key, 'r2'), kind).toBe(false);
    }
    await hub.place('vci_2', 'r1');
    await hub.unplace('vci_2', 'r1');
    for (const [kind, key] of things) expect(await intended(kind, key, 'r1'), kind).toBe(false);
  });

  test('whatever goes with a tenant that is deleted on purpose is meant too', async () => {
    await hub.cluster('vci_3', 'ten_3', 'r1');
    await hub.key('aki_3', 'vci_3');
    await onPurpose(`delete from tenants where id = 'ten_3'`);
    expect(await intended('tenant', 'ten_3')).toBe(true);
    expect(await intended('cluster', 'vci_3')).toBe(true);
    expect(await intended('agent-key', 'aki_3')).toBe(true);
  });
});
