import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { trimLedger } from '../../../hub/db/housekeeping.ts';
import type { SweepCounts } from '../../../hub/db/schema.ts';
import {
  beginSweep,
  changedSince,
  completeSweep,
  currentMark,
  failAbandonedSweeps,
  failSweep,
  hubHighWater,
  lastMark,
  lastSweepAgeMs,
  reportSweep,
  takeRequestedSweeps,
} from '../../../hub/db/sweeps.ts';
import { begun, HubDatabase } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2');
});
afterEach(() => hub.endSessions());
afterAll(() => hub[Symbol.asyncDispose]());
beforeEach(async () => {
  await hub.sql`delete from tenants`;
  await hub.sql`delete from heads`;
  await hub.sql`delete from sweeps`;
  await hub.sql`delete from holdings`;
});

const counts: SweepCounts = {
  scanned: 3,
  written: 2,
  reannounced: 1,
  missing: 2,
  stale: 0,
  corrupt: 0,
  orphan: 0,
  ahead: 0,
  heldAhead: 0,
  quarantined: 0,
  expired: 0,
  held: 0,
  frozen: 0,
};

async function completed(id: string, region = 'r1', mark?: string) {
  await beginSweep(hub.db, { id, region, cause: 'scheduled' });
  const reached = { mark: mark ?? (await currentMark(hub.db)), tail: [] };
  await completeSweep(hub.db, id, counts, reached);
  return reached;
}

/** A mark beyond everything that was committed before the call, whatever other tests have running beside. */
async function markOfNow(): Promise<string> {
  const [row] = await hub.sql`select pg_current_xact_id()::text as xid`;
  const xid = BigInt(row!.xid);
  await expect.poll(async () => BigInt(await currentMark(hub.db)), { timeout: 30_000 }).toBeGreaterThan(xid);
  return currentMark(hub.db);
}

async function lookSince(mark: string) {
  const { mark: reached, pages } = await changedSince(hub.db, mark);
  return { mark: reached, changed: (await Array.fromAsync(pages)).flat() };
}

describe('what changed since a mark', () => {
  const names = async (mark: string) =>
    (await lookSince(mark)).changed.map(({ key, beyond }) => (beyond ? `${key} beyond` : key));

  test('[law 3] is what was committed since, deletions first, and nothing from before', async () => {
    await hub.tenant('ten_before');
    const mark = await markOfNow();
    expect(await names(mark)).toEqual([]);
    await hub.tenant('ten_a');
    await hub.tenant('ten_b');
    await hub.sql`delete from tenants where id = 'ten_b'`;
    await markOfNow();
    expect(await names(mark)).toEqual(['ten_b', 'ten_a']);
    const { mark: next } = await changedSince(hub.db, mark);
    expect(await names(next)).toEqual([]);
  });

  test('[law 3] a transaction that began before the mark and commits after it is found, by every mark in between', async () => {
    const long = await begun(hub);
    await long`insert into tenants (id, name) values ('ten_long', 'l')`;
    const mark = await currentMark(hub.db);
    await hub.tenant('ten_quick');
    const first = await lookSince(mark);
    expect(first.changed.map(({ key, beyond }) => [key, beyond])).toEqual([['ten_quick', true]]);
    const second = await lookSince(first.mark);
    expect(second.changed, 'beyond the mark it is told again').toEqual(first.changed);
    await long`commit`;
    long.release();
    await markOfNow();
    expect(await names(second.mark)).toEqual(['ten_long', 'ten_quick']);
  });

  test('[law 3] a long transaction rolled back leaves nothing, and the mark moves on', async () => {
    const long = await begun(hub);
    await long`insert into tenants (id, name) values ('ten_long', 'l')`;
    const mark = await currentMark(hub.db);
    await long`rollback`;
    long.release();
    await hub.tenant('ten_quick');
    await markOfNow();
    const { mark: next } = await changedSince(hub.db, mark);
    expect(BigInt(next)).toBeGreaterThan(BigInt(mark));
    expect(await names(next)).toEqual([]);
  });

  test('[law 3] a change in a subtransaction counts as its transaction', async () => {
    const mark = await currentMark(hub.db);
    const session = await begun(hub);
    await session`savepoint s`;
    await session`insert into tenants (id, name) values ('ten_sub', 's')`;
    await session`release s`;
    await session`commit`;
    session.release();
    await markOfNow();
    expect(await names(mark)).toEqual(['ten_sub']);
  });

  test('[law 3] heads loaded from a dump of another database are not found changed for ever', async () => {
    await hub.tenant('ten_dumped');
    await hub.sql`update heads set changed_xid = '4000000000000' where key = 'ten_dumped'`;
    const mark = await currentMark(hub.db);
    expect(await names(mark)).toEqual([]);
    await hub.sql`update tenants set name = 'again'`;
    await markOfNow();
    expect(await names(mark)).toEqual(['ten_dumped']);
  });

  test('[law 8] comes in pages, deletions first, each head once, also while others go on changing', async () => {
    await hub.sql`insert into tenants (id, name) select 'ten_' || n, n::text from generate_series(1, 2300) n`;
    await hub.sql`delete from tenants where id like 'ten_9%'`;
    await markOfNow();
    const { mark, pages } = await changedSince(hub.db, '3');
    const found: string[] = [];
    const sizes: number[] = [];
    for await (const page of pages) {
      sizes.push(page.length);
      found.push(...page.map(({ key }) => key));
      await hub.sql`update tenants set name = 'changed ' || name where id = 'ten_2299'`;
    }
    expect(Math.max(...sizes)).toBe(1000);
    expect(sizes).toHaveLength(4);
    expect(found.slice(0, 111).every((key) => key.startsWith('ten_9'))).toBe(true);
    expect(new Set(found).size).toBe(found.length);
    await markOfNow();
    expect(found.length, 'the one that moved meanwhile is left to the next look').toBe(2299);
    expect(await names(mark)).toEqual(['ten_2299']);
  });

  test('[law 3] for a region: what it holds or lately held, and every deletion', async () => {
    const mark = await markOfNow();
    await hub.tenant('ten_r1');
    await hub.cluster('vci_r1', 'ten_r1', 'r1');
    await hub.tenant('ten_r2');
    await hub.cluster('vci_r2', 'ten_r2', 'r2');
    await hub.sql`insert into agent_keys (id, cluster_id, name, verifier) values
      ('aki_r1', 'vci_r1', 'k', 'v'), ('aki_r2', 'vci_r2', 'k', 'v'), ('aki_gone', 'vci_r2', 'k', 'v')`;
    await hub.sql`delete from agent_keys where id = 'aki_gone'`;
    await markOfNow();
    const namesIn = async (region: string) =>
      (await Array.fromAsync((await changedSince(hub.db, mark, region)).pages)).flat().map(({ key }) => key);
    expect(await namesIn('r1')).toEqual(['aki_gone', 'ten_r1', 'vci_r1', 'aki_r1']);
    expect(await namesIn('r2')).toEqual(['aki_gone', 'ten_r2', 'vci_r2', 'aki_r2']);

    // It moves: the region that it left is told as well, for a day.
    await hub.sql`insert into placements (cluster_id, region) values ('vci_r1', 'r2')`;
    await hub.sql`delete from placements where cluster_id = 'vci_r1' and region = 'r1'`;
    expect(await namesIn('r1')).toEqual(['aki_gone', 'ten_r1', 'vci_r1', 'aki_r1']);
    expect(await namesIn('r2')).toHaveLength(7);
    await hub.sql`update holdings set until = now() - interval '25 hours' where until is not null`;
    expect(await namesIn('r1')).toEqual(['aki_gone']);
  });

  test('numbers beyond 32 bits are compared as numbers', async () => {
    await hub.tenant('ten_1');
    await markOfNow();
    expect(await names('99999999999999')).toEqual([]);
    expect(await names('3')).toEqual(['ten_1']);
  });
});

describe('the last mark', () => {
  test('is none before the first complete sweep of that very region', async () => {
    expect(await lastMark(hub.db, 'r1')).toEqual({ mark: null, tail: [] });
    await completed('swp_other', 'r2');
    await beginSweep(hub.db, { id: 'swp_1', region: 'r1', cause: 'scheduled' });
    await failSweep(hub.db, 'swp_1', counts, 'the store is gone');
    expect(await lastMark(hub.db, 'r1')).toEqual({ mark: null, tail: [] });
  });

  test('is that of the sweep that finished last', async () => {
    await completed('swp_1');
    await hub.tenant('ten_1');
    const tail = [{ kind: 'tenant' as const, key: 'ten_1', revision: 7 }];
    const mark = await currentMark(hub.db);
    await beginSweep(hub.db, { id: 'swp_0', region: 'r1', cause: 'requested' });
    await completeSweep(hub.db, 'swp_0', counts, { mark, tail });
    expect(await lastMark(hub.db, 'r1')).toEqual({ mark, tail });
  });

  test('[law 3] of another incarnation of the database is none: everything is announced again', async () => {
    await completed('swp_1', 'r1', '4000000000000');
    await hub.sql`update sweeps set tail = '[{"kind":"tenant","key":"ten_1","revision":7}]'`;
    expect(await lastMark(hub.db, 'r1')).toEqual({ mark: null, tail: [] });
  });
});

describe('the row of a sweep', () => {
  const row = async (id: string) => (await hub.sql`select * from sweeps where id = ${id}`)[0]!;

  test('tells its whole life', async () => {
    await hub.sql`insert into sweeps (id, region, cause, status) values ('swp_1', 'r1', 'requested', 'requested')`;
    expect([...(await takeRequestedSweeps(hub.db))]).toEqual([{ id: 'swp_1', region: 'r1' }]);
    expect(await takeRequestedSweeps(hub.db), 'once a minute').toEqual([]);
    await hub.sql`update sweeps set progressed_at = now() - interval '2 minutes'`;
    expect(await takeRequestedSweeps(hub.db), 'its job may be lost').toHaveLength(1);
    await beginSweep(hub.db, { id: 'swp_1', region: 'r1', cause: 'requested' });
    expect(await takeRequestedSweeps(hub.db)).toEqual([]);
    await reportSweep(hub.db, 'swp_1', counts);
    expect(await row('swp_1')).toMatchObject({ status: 'running', counts, finished_at: null });
    await completeSweep(hub.db, 'swp_1', counts, { mark: '700', tail: [] });
    expect(await row('swp_1')).toMatchObject({ status: 'completed', counts, mark: '700', error: null });
    expect((await row('swp_1')).finished_at).not.toBeNull();
  });

  test('one that says nothing for two minutes failed; when it completes after all, it completed', async () => {
    await beginSweep(hub.db, { id: 'swp_1', region: 'r1', cause: 'scheduled' });
    expect(await failAbandonedSweeps(hub.db)).toBe(0);
    await hub.sql`update sweeps set progressed_at = now() - interval '3 minutes'`;
    expect(await failAbandonedSweeps(hub.db)).toBe(1);
    expect(await row('swp_1')).toMatchObject({ status: 'failed' });
    await completeSweep(hub.db, 'swp_1', counts, { mark: '700', tail: [] });
    expect(await row('swp_1')).toMatchObject({ status: 'completed', error: null });
  });

  test('the age of the last complete one', async () => {
    expect(await lastSweepAgeMs(hub.db, 'r1')).toBeUndefined();
    await completed('swp_1');
    await hub.sql`update sweeps set finished_at = now() - interval '5 minutes'`;
    expect(await lastSweepAgeMs(hub.db, 'r1')).toBeGreaterThanOrEqual(300_000);
  });
});

test('[law 2] the high water is what was drawn, also by transactions that were rolled back', async () => {
  const before = await hubHighWater(hub.db);
  const session = await begun(hub);
  await session`insert into tenants (id, name) values ('ten_1', 'x')`;
  await session`rollback`;
  session.release();
  const after = await hubHighWater(hub.db);
  expect(after.revision).toBeGreaterThan(before.revision);
  expect(after).toMatchObject({ epoch: 1, hubId: before.hubId });
});

describe('trimming', () => {
  const retention = { auditDays: 0, sweepDays: 30, fenceHours: 24 };

  test('[law 9] forgets placements that ended two days ago, and old sweeps but for the last complete one', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
    await hub.unplace('vci_1', 'r2');
    await hub.sql`update holdings set until = now() - interval '49 hours' where region = 'r2'`;
    await hub.sql`insert into sweeps (id, region, cause, status, started_at, finished_at, counts)
      values ('swp_r2', 'r2', 'scheduled', 'completed', now() - interval '50 hours', now(), ${hub.sql.json({ ...counts })})`;
    for (const id of ['swp_1', 'swp_2']) await completed(id);
    await trimLedger(hub.db, retention);
    const left = () => hub.sql`select from holdings where region = 'r2'`;
    expect(
      await left(),
      '[law 9] no sweep has ended it there: whether it was meant is still to be asked',
    ).toHaveLength(1);
    await hub.sql`update sweeps set started_at = now(), counts = counts || '{"frozen": 1}' where id = 'swp_r2'`;
    await trimLedger(hub.db, retention);
    expect(await left(), 'nor one that a freeze stopped').toHaveLength(1);
    await hub.sql`update sweeps set counts = counts || '{"frozen": 0}' where id = 'swp_r2'`;
    await trimLedger(hub.db, retention);
    expect(await left()).toHaveLength(0);
    await hub.sql`delete from sweeps where id = 'swp_r2'`;
    await hub.sql`update sweeps set requested_at = now() - interval '40 days', finished_at = now() - interval '40 days' + interval '1 second'
      where id = 'swp_1'`;
    await trimLedger(hub.db, { ...retention, sweepDays: 50 });
    expect(await hub.sql`select id from sweeps`).toHaveLength(2);
    await trimLedger(hub.db, retention);
    expect((await hub.sql`select region from holdings`).map((row) => row.region)).toEqual(['r1']);
    expect((await hub.sql`select id from sweeps`).map((row) => row.id)).toEqual(['swp_2']);
    await hub.sql`update sweeps set requested_at = now() - interval '40 days'`;
    await trimLedger(hub.db, retention);
    expect(await hub.sql`select id from sweeps`, 'the next sweep begins at its mark').toHaveLength(1);
  });

  test('forgets entries of the audit log beyond their days, however many, and none where they are kept for ever', async () => {
    await hub.sql`insert into audit_log (id, at, actor_id, actor_name, action, resource_type, resource_id, request_id)
      select 'aud_' || to_char(n, 'FM00000'), now() - (2500 - n) * interval '1 hour', 'apk', 'a', 'tenant.update', 'tenant', 't', 'r'
      from generate_series(1, 2500) n`;
    const entries = async () => (await hub.sql`select count(*)::int as count from audit_log`)[0]!.count;
    await trimLedger(hub.db, retention);
    expect(await entries()).toBe(2500);
    await trimLedger(hub.db, { ...retention, auditDays: 10 });
    expect(await entries()).toBe(240);
    expect(await hub.sql`select from audit_log where at < now() - interval '10 days'`).toHaveLength(0);
  });
});
