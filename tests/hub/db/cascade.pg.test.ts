import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { cascadeDeparture, cascadePlacements, recallPlacements } from '../../../hub/db/cascade.ts';
import { connect } from '../../../hub/db/client.ts';
import { seededRandom } from '../../support/samples.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { begun, HubDatabase, type Session, someoneWaits } from './hub-database.ts';
import { cascade, RelayedRegions } from './relayed-regions.ts';

const all = ['r1', 'r2', 'r3'];
let hub: HubDatabase;
let regions: RelayedRegions;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions(...all);
});
afterEach(() => hub.endSessions());
afterAll(() => hub[Symbol.asyncDispose]());
beforeEach(async () => {
  await hub.sql`delete from tenants`;
  await hub.sql`delete from holdings`;
  await hub.sql`delete from outbox`;
  regions = new RelayedRegions(hub);
});

const commit = async (session: Session) => {
  await session`commit`;
  session.release();
};

const inSync = async () => expect(await regions.differences(all)).toEqual([]);

/** A tenant with a cluster in r1 and a key, everything published. */
async function settledCluster() {
  await hub.cluster('vci_1', 'ten_1', 'r1');
  await hub.key('aki_1', 'vci_1');
  await regions.drain();
  expect(regions.live('r1')).toEqual(['agent-key/aki_1', 'cluster/vci_1', 'tenant/ten_1']);
}

describe('a placement', () => {
  test('[law 1] brings the keys and the tenant, and takes them away again', async () => {
    await settledCluster();
    await hub.place('vci_1', 'r2');
    await regions.drain();
    expect(regions.live('r2')).toEqual(regions.live('r1'));
    await hub.unplace('vci_1', 'r1');
    await regions.drain();
    expect(regions.live('r1')).toEqual([]);
    expect(regions.live('r2')).toHaveLength(3);
    await hub.place('vci_1', 'r1');
    await regions.drain();
    expect(regions.live('r1')).toHaveLength(3);
    await inSync();
  });

  test('[law 6] a publisher that freezes anywhere in a cascade keeps no lock that a revocation would wait for', async () => {
    await settledCluster();
    await hub.key('aki_2', 'vci_1');
    const { port } = new URL(hub.url);
    for (let answers = 1; ; answers++) {
      await using proxy = await new TcpProxy(Number(port)).start();
      const url = Object.assign(new URL(hub.url), { port: proxy.port });
      const publisher = connect(url.href, { applicationName: 'publisher', max: 1 });
      await publisher.sql`select`;
      proxy.freezeAfter(answers);
      let whole = false;
      void cascade(publisher.db, 'vci_1', { leaves: true, chunk: 1 }).then(
        () => {
          whole = true;
        },
        () => {},
      );
      try {
        while (!proxy.frozen && !whole) await systemClock.sleep(1);
        await systemClock.sleep(20); // what it had sent is done by then
        await hub.sql.begin(async (sql) => {
          await sql`set local lock_timeout = '1s'`;
          await sql`update tenants set status = case status when 'active' then 'suspended' else 'active' end`;
          await sql`update clusters set status = case status when 'active' then 'disabled' else 'active' end`;
          await sql`update agent_keys set status = case status when 'active' then 'disabled' else 'active' end`;
          await sql`delete from agent_keys where id = 'aki_2'`;
        });
      } finally {
        await publisher.sql.end({ timeout: 0 });
      }
      await hub.key('aki_2', 'vci_1');
      if (whole) {
        expect(answers, 'it was frozen often enough').toBeGreaterThan(5);
        return;
      }
    }
  });

  test('[law 1] bumps every key, in chunks, then has the regions told that it left', async () => {
    await settledCluster();
    for (let n = 0; n < 7; n++) await hub.key(`aki_n${n}`, 'vci_1');
    await regions.drain();
    const [{ drawn } = {}] = await hub.sql`select max(revision) as drawn from heads`;
    const bumped = async (kind: string) =>
      (await hub.sql`select from heads where kind = ${kind} and revision > ${drawn}`).length;
    await hub.unplace('vci_1', 'r1');
    await hub.emptyOutbox();
    const progress: number[] = [];
    await cascadePlacements(hub.db, [{ clusterId: 'vci_1', leaves: true }], {
      chunk: 3,
      onProgress: async () => void progress.push(await bumped('agent-key')),
    });
    expect(progress, 'the tenant, then committed chunk by chunk').toEqual([0, 3, 6, 8]);
    expect(await bumped('tenant')).toBe(1);
    expect(await hub.outbox(), 'no region holds it now').toEqual([]);
    await cascadeDeparture(hub.db, 'vci_1', { tightens: true });
    const rows = await hub.outbox();
    expect(rows.map(({ kind }) => kind)).toEqual([...Array(8).fill('agent-key'), 'cluster', 'tenant']);
    for (const row of rows)
      expect(row).toMatchObject({ cause: 'dependent', tightens: true, regions: ['r1'] });
  });

  test('a cluster that moves: its new region is told of tenant and keys, its old one of keys, cluster and tenant', async () => {
    await settledCluster();
    await hub.place('vci_1', 'r2');
    await hub.unplace('vci_1', 'r1');
    await hub.emptyOutbox();
    const told = async () => (await hub.outbox()).map(({ kind, regions: to }) => `${kind} ${to.join()}`);
    await cascadePlacements(hub.db, [{ clusterId: 'vci_1', leaves: true }], { chunk: 10 });
    expect(await told()).toEqual(['tenant r2', 'agent-key r2']);
    await hub.emptyOutbox();
    await cascadeDeparture(hub.db, 'vci_1', { tightens: false });
    expect(await told()).toEqual(['agent-key r1', 'cluster r1', 'tenant r1']);
  });

  test('[law 1] several clusters at once: each key goes where its cluster is, each tenant is bumped once, each fence counted', async () => {
    const [a, b, c] = ['vci_a', 'vci_b', 'vci_c'];
    await hub.cluster(a, 'ten_1', 'r1');
    await hub.cluster(b, 'ten_1', 'r1');
    await hub.cluster(c, 'ten_2', 'r2');
    for (const [id, cluster] of [
      ['aki_1', b],
      ['aki_2', a],
      ['aki_3', c],
    ])
      await hub.key(id!, cluster!);
    await hub.emptyOutbox();
    await hub.sql`insert into fences (id) values ('fen_a'), ('fen_b')`;
    const clusters = [
      { clusterId: c, leaves: false },
      { clusterId: b, leaves: false, fences: ['fen_b'] },
      { clusterId: a, leaves: false, fences: ['fen_a'] },
    ];
    await cascadePlacements(hub.db, clusters, { chunk: 2 });
    const told = async () =>
      (await hub.sql`select key, regions, fences from outbox order by id`).map((row) =>
        [row.key, row.regions, ...(row.fences ? [row.fences] : [])].join(' '),
      );
    expect(await told()).toEqual([
      'ten_1 r1 fen_a,fen_b',
      'ten_2 r2',
      'aki_1 r1 fen_b',
      'aki_2 r1 fen_a',
      'aki_3 r2',
    ]);
    const counted = await hub.sql`select id, rows_written from fences order by id`;
    expect(counted).toEqual([
      { id: 'fen_a', rows_written: 2 },
      { id: 'fen_b', rows_written: 2 },
    ]);
    const revisions = Object.fromEntries(
      (await hub.sql`select key, revision::int from heads`).map(({ key, revision }) => [key, revision]),
    );
    expect(revisions.ten_1, 'tenants go first').toBeLessThan(revisions.aki_1);

    await hub.emptyOutbox();
    await hub.place(a, 'r3');
    await hub.emptyOutbox();
    await cascadePlacements(
      hub.db,
      [b, a].map((clusterId) => ({ clusterId, leaves: false })),
      { chunk: 2 },
    );
    expect(await told(), 'the tenant is new in r3, and was settled in r1').toEqual([
      'ten_1 r1,r3',
      'aki_1 r1',
      'aki_2 r1,r3',
    ]);
    expect(await hub.sql`select from holdings where not settled`).toHaveLength(0);
  });

  test('[law 6] several at once wait for the lock of one no longer than told, and leave nothing half done', async () => {
    await settledCluster();
    await hub.cluster('vci_2', 'ten_2', 'r1');
    await hub.key('aki_2', 'vci_2');
    await hub.emptyOutbox();
    const forgotten = await begun(hub);
    await forgotten`update agent_keys set permissions = '{x}' where id = 'aki_2'`;
    const clusters = ['vci_1', 'vci_2'].map((clusterId) => ({ clusterId, leaves: false }));
    await expect(cascadePlacements(hub.db, clusters, { chunk: 10, lockTimeoutMs: 50 })).rejects.toThrow();
    expect(
      (await hub.outbox()).map(({ key }) => key),
      'a step is done whole or not at all',
    ).toEqual(['ten_1', 'ten_2']);
    await commit(forgotten);
  });

  test('a tenant that has another cluster there does not leave with this one', async () => {
    await settledCluster();
    await hub.cluster('vci_2', 'ten_1', 'r1');
    await regions.drain();
    await hub.unplace('vci_1', 'r1');
    await regions.drain();
    expect(regions.live('r1')).toEqual(['cluster/vci_2', 'tenant/ten_1']);
    await inSync();
  });

  test('costs no write of the tenant where the region has it already', async () => {
    await settledCluster();
    const before = await hub.revision('tenant', 'ten_1');
    await hub.cluster('vci_2', 'ten_1', 'r1');
    await regions.drain();
    expect(await hub.revision('tenant', 'ten_1')).toBe(before);
    await hub.place('vci_2', 'r2');
    await regions.drain();
    expect(await hub.revision('tenant', 'ten_1')).toBeGreaterThan(before);
    await inSync();
  });

  test('[law 6] the lock that somebody forgot makes a cascade give up, and leaves nothing half done', async () => {
    await settledCluster();
    await hub.place('vci_1', 'r2');
    const forgotten = await begun(hub);
    await forgotten`update agent_keys set name = name, status = 'disabled'`;
    await expect(cascade(hub.db, 'vci_1', { leaves: false, chunk: 10, lockTimeoutMs: 50 })).rejects.toThrow();
    await commit(forgotten);
    await regions.drain();
    await inSync();
  });

  test('may be cascaded by two relays at once', async () => {
    await settledCluster();
    for (let n = 0; n < 9; n++) await hub.key(`aki_n${n}`, 'vci_1');
    await hub.place('vci_1', 'r2');
    await Promise.all([2, 3, 4].map((chunk) => cascade(hub.db, 'vci_1', { leaves: false, chunk })));
    await regions.drain();
    await inSync();
  });
});

describe('a placement whose row of the outbox was lost', () => {
  test('[law 1] is cascaded after all when a sweep of its region asks, and once', async () => {
    await settledCluster();
    await hub.place('vci_1', 'r2');
    await recallPlacements(hub.db, 'r2');
    expect(await hub.outbox(), 'its row is there').toHaveLength(1);
    await hub.emptyOutbox();
    await recallPlacements(hub.db, 'r1');
    expect(await hub.outbox(), "another region's sweep").toEqual([]);
    await recallPlacements(hub.db, 'r2');
    await recallPlacements(hub.db, 'r2');
    expect(await hub.outbox()).toMatchObject([{ key: 'vci_1', regions: ['r2'], cause: 'placement' }]);
    await regions.drain();
    expect(regions.live('r2')).toHaveLength(3);
    await recallPlacements(hub.db, 'r2');
    expect(await hub.outbox(), 'it is settled now').toEqual([]);
  });
});

describe('a key and a placement in two transactions', () => {
  const orders = [
    ['the key first', ['key', 'placement']],
    ['the placement first', ['placement', 'key']],
  ] as const;

  test.each(orders)('[law 1] inserted while it is added, %s', async (_what, order) => {
    await settledCluster();
    const sessions = { key: await begun(hub), placement: await begun(hub) };
    await hub.key('aki_2', 'vci_1', sessions.key);
    await hub.place('vci_1', 'r2', sessions.placement);
    for (const name of order) {
      await commit(sessions[name]);
      await regions.drain();
    }
    expect(regions.live('r2')).toContain('agent-key/aki_2');
    await inSync();
  });

  test.each(orders)('[law 1] inserted while it is removed, %s', async (_what, order) => {
    await settledCluster();
    const sessions = { key: await begun(hub), placement: await begun(hub) };
    await hub.key('aki_2', 'vci_1', sessions.key);
    await hub.unplace('vci_1', 'r1', sessions.placement);
    for (const name of order) {
      await commit(sessions[name]);
      await regions.drain();
    }
    expect(regions.live('r1')).toEqual([]);
    await inSync();
  });

  test.each(['read committed', 'repeatable read', 'serializable'])(
    '[law 1] deleted while it is added, the region hearing of the key in between (%s)',
    async (isolation) => {
      await settledCluster();
      const placing = await begun(hub);
      await hub.place('vci_1', 'r2', placing);
      const deleting = await begun(hub, isolation);
      await deleting`select 1 from tenants`; // its snapshot is from before the placement
      await deleting`delete from agent_keys where id = 'aki_1'`; // and does not wait for it
      await commit(placing);
      // A refresh or a sweep of the new region, before the deletion is committed: it is sent the living key.
      await regions.put('r2', { kind: 'agent-key', key: 'aki_1' });
      expect(regions.live('r2')).toEqual(['agent-key/aki_1']);
      await commit(deleting);
      await regions.drain();
      expect(regions.live('r2')).toEqual(['cluster/vci_1', 'tenant/ten_1']);
      await inSync();
    },
  );

  test('[law 1] deleted first: the placement waits, and never was there while the key was', async () => {
    await settledCluster();
    const deleting = await begun(hub);
    await deleting`delete from agent_keys where id = 'aki_1'`;
    const placed = hub.place('vci_1', 'r2').execute();
    await expect.poll(() => someoneWaits(hub)).toBe(true);
    await regions.put('r2', { kind: 'agent-key', key: 'aki_1' });
    await commit(deleting);
    await placed;
    await regions.drain();
    expect(regions.live('r2')).toEqual(['cluster/vci_1', 'tenant/ten_1']);
    await inSync();
  });

  test('two deletions and two placements of one cluster do not wait for each other', async () => {
    await settledCluster();
    await hub.key('aki_2', 'vci_1');
    const [one, two] = [await begun(hub), await begun(hub)];
    await one`delete from agent_keys where id = 'aki_1'`;
    await two`delete from agent_keys where id = 'aki_2'`;
    await commit(two);
    await commit(one);
    await Promise.all([hub.place('vci_1', 'r2'), hub.place('vci_1', 'r3')]);
    await regions.drain();
    await inSync();
  });
});

describe('a tenant', () => {
  test('[law 1] two first clusters in a region, at the same time', async () => {
    await settledCluster();
    for (const id of ['vci_2', 'vci_3']) await hub.cluster(id, 'ten_1');
    const sessions = [await begun(hub), await begun(hub)];
    await hub.place('vci_2', 'r2', sessions[0]);
    await hub.place('vci_3', 'r2', sessions[1]);
    await Promise.all(sessions.map(commit));
    const bump = (id: string) => cascade(hub.db, id, { leaves: false, chunk: 10 });
    await Promise.all([bump('vci_2'), bump('vci_3')]);
    await regions.drain();
    expect(regions.live('r2')).toContain('tenant/ten_1');
    await inSync();
  });

  test('[law 1] clusters do not rely on each other: a placement added while its cluster is being cascaded', async () => {
    await settledCluster();
    await hub.cluster('vci_2', 'ten_1', 'r1');
    await hub.cluster('vci_3', 'ten_1');
    // vci_2 is cascaded, and held where it bumps the tenant: its placements have been judged, and not yet marked.
    const holder = await begun(hub);
    await holder`select from heads where kind = 'tenant' for update`;
    const cascaded = cascade(hub.db, 'vci_2', { leaves: true, chunk: 10 });
    await expect.poll(() => someoneWaits(hub)).toBe(true);
    await hub.place('vci_2', 'r2'); // the tenant's first in r2
    await commit(holder);
    await cascaded;
    const settled = await hub.sql`select region from holdings where cluster_id = 'vci_2' and settled`;
    expect(settled.map((row) => row.region)).toEqual(['r1']);
    await hub.emptyOutbox();
    await hub.place('vci_3', 'r2'); // relies on vci_2, if that claims to be settled
    await cascade(hub.db, 'vci_3', { leaves: false, chunk: 10 });
    await cascade(hub.db, 'vci_2', { leaves: false, chunk: 10 });
    await hub.sql`delete from outbox where cause = 'placement'`;
    await regions.drain();
    expect(regions.live('r2')).toContain('tenant/ten_1');
  });

  /** The last cluster leaves while the next arrives: every order of two commits and two cascades. */
  const events = ['leave', 'arrive', 'cascade leave', 'cascade arrive'] as const;
  const orders = permutationsOf(events).filter(
    (order) =>
      order.indexOf('leave') < order.indexOf('cascade leave') &&
      order.indexOf('arrive') < order.indexOf('cascade arrive'),
  );
  test.each(orders)(
    '[law 1] the last cluster leaves while another arrives: %s, %s, %s, %s',
    async (...order) => {
      await settledCluster();
      await hub.cluster('vci_2', 'ten_1', 'r2');
      await regions.drain();
      const sessions = { leave: await begun(hub), arrive: await begun(hub) };
      await hub.unplace('vci_1', 'r1', sessions.leave);
      await hub.place('vci_2', 'r1', sessions.arrive);
      const steps = {
        leave: () => commit(sessions.leave),
        arrive: () => commit(sessions.arrive),
        'cascade leave': () => cascade(hub.db, 'vci_1', { leaves: true, chunk: 10 }),
        'cascade arrive': () => cascade(hub.db, 'vci_2', { leaves: false, chunk: 10 }),
      };
      for (const step of order) {
        await steps[step]();
        // Whatever a region might be told in between, it is told.
        for (const key of ['ten_1']) await regions.put('r1', { kind: 'tenant', key });
      }
      await hub.sql`delete from outbox where cause = 'placement'`; // cascaded above
      await regions.drain();
      expect(regions.live('r1')).toContain('tenant/ten_1');
    },
  );
});

function permutationsOf<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first, at) => permutationsOf(items.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}

describe('without a sweep', () => {
  /**
   * Writers in transactions of their own, two relays, and puts that come late: when all is quiet every region holds
   * what the hub derives. What is written is a matter of the seed; who comes first is the database's.
   */
  test.each([1, 2, 3, 4])(
    '[law 1] [law 2] whatever happens side by side, regions end up right (seed %i)',
    async (seed) => {
      const random = seededRandom(seed * 7919);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random.fraction() * items.length)]!;
      const sleep = () => hub.sql`select pg_sleep(${random.fraction() * 0.01})`;
      for (const id of ['vci_1', 'vci_2', 'vci_3']) await hub.cluster(id, 'ten_1', pick(all));
      regions.pause = async () => void (await sleep());
      let next = 0;
      const change = async (session: Session) => {
        const cluster = pick(['vci_1', 'vci_2', 'vci_3']);
        const region = pick(all);
        const doIt = pick([
          () =>
            session`insert into placements (cluster_id, region) values (${cluster}, ${region}) on conflict do nothing`,
          () =>
            session`insert into placements (cluster_id, region) values (${cluster}, ${region}) on conflict do nothing`,
          () => hub.unplace(cluster, region, session),
          () => hub.unplace(cluster, region, session),
          () => hub.key(`aki_${seed}_${next++}`, cluster, session),
          () =>
            session`delete from agent_keys where id = (select min(id) from agent_keys where cluster_id = ${cluster})`,
          () => session`update tenants set status = ${pick(['active', 'suspended'])}`,
          () => session`update clusters set settings = ${session.json({ n: next++ })} where id = ${cluster}`,
          () => session`
          with gone as (delete from clusters where id = ${cluster} returning id)
          select * from gone`,
          () => session`
          insert into clusters (id, tenant_id, name, upstream_url) values (${cluster}, 'ten_1', ${cluster}, 'http://x')
          on conflict do nothing`,
        ]);
        await doIt();
      };
      const failed = (error: { code?: string }) => {
        // A deadlock, a cluster deleted under a key: the database refused, and nothing of it happened.
        if (!['40P01', '23503', '40001'].includes(error.code ?? '')) throw error;
      };
      const writer = async () => {
        const session = await hub.session().reserve();
        for (let n = 0; n < 25; n++) {
          await session.unsafe(
            `begin isolation level ${pick(['read committed', 'read committed', 'repeatable read'])}`,
          );
          try {
            for (let m = random.fraction() * 3; m > 0; m--) {
              await change(session);
              await sleep();
            }
            await session.unsafe(pick(['commit', 'commit', 'commit', 'rollback']));
          } catch (error) {
            await session`rollback`;
            failed(error as { code?: string });
          }
        }
        session.release();
      };
      let writing = true;
      const relay = async (name: string) => {
        while (writing) await regions.relay(name).catch(() => {}); // a cascade that lost a deadlock: its lease ends
      };
      const relays = [relay('one'), relay('two')];
      await Promise.all([writer(), writer(), writer()]);
      writing = false;
      await Promise.all(relays);
      await hub.sql`update outbox set claimed_until = null, claimed_by = null`;
      await regions.drain();
      await inSync();
      expect(await hub.db.execute(sql`select 1 from outbox`)).toHaveLength(0);
    },
  );
});
