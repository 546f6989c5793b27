import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  claimChanges,
  completeChanges,
  drawRevisions,
  freshRevision,
  outboxBacklog,
  releaseChanges,
  renewChanges,
  requestRefresh,
  type Takes,
} from '../../../hub/db/outbox.ts';
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
  await hub.emptyOutbox();
});

const claim = (claimant: string, more: { leaseMs?: number; limit?: number; takes?: Takes } = {}) =>
  claimChanges(hub.db, { claimant, leaseMs: 60_000, limit: 100, takes: 'all-else', ...more });

/** So many changes of tenants, in the order of their names. */
async function changes(count: number): Promise<void> {
  await hub.sql`
    insert into tenants (id, name) select 'ten_' || lpad(n::text, 4, '0'), n::text from generate_series(1, ${count}) n`;
}
const letLeasesEnd = () =>
  hub.sql`update outbox set claimed_until = clock_timestamp() - interval '1 millisecond' where claimed_until is not null`;

describe('claims', () => {
  test('[law 1] are leases: while one lasts nobody else gets the row, and afterwards anyone', async () => {
    await changes(1);
    expect(await claim('one')).toHaveLength(1);
    expect(await claim('two')).toEqual([]);
    expect(await claim('one'), 'nor does the one who has it').toEqual([]);
    await letLeasesEnd();
    expect(await claim('two')).toHaveLength(1);
  });

  test('[law 1] are committed when they are given: a claimant that is gone leaves no lock behind', async () => {
    await changes(1);
    const [change] = await claim('one');
    const [row] = await hub.sql`select claimed_by, claimed_until > clock_timestamp() as held from outbox`;
    expect(row).toEqual({ claimed_by: 'one', held: true });
    expect(change).toMatchObject({
      kind: 'tenant',
      key: 'ten_0001',
      regions: [],
      cause: 'row',
      tightens: false,
    });
    expect(Math.abs(change!.createdAtMs - Date.now())).toBeLessThan(60_000);
  });

  test('[law 1] of several claimants at once never share a row, and miss none', async () => {
    await changes(400);
    const taken: number[] = [];
    const claimant = async (name: string) => {
      for (;;) {
        const rows = await claim(name, { limit: 7 });
        if (rows.length === 0) return;
        taken.push(...rows.map((row) => row.id));
      }
    };
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(claimant));
    // A claim may pass over rows another has locked at that moment; a later one finds them.
    await claimant('f');
    expect(taken).toHaveLength(400);
    expect(new Set(taken).size).toBe(400);
  });

  test('[law 1] pass over a row that another is claiming at this moment, and do not take it when that is done', async () => {
    await changes(3);
    const other = await begun(hub);
    await other`
      update outbox set claimed_by = 'other', claimed_until = clock_timestamp() + interval '1 minute'
      where id = (select min(id) from outbox)`;
    expect(
      (await claim('one')).map((row) => row.key),
      'without waiting',
    ).toEqual(['ten_0002', 'ten_0003']);
    await letLeasesEnd();
    const waiting = claim('two');
    await waiting;
    await other`commit`;
    other.release();
    expect((await waiting).map((row) => row.key)).toEqual(['ten_0002', 'ten_0003']);
    const [first] = await hub.sql`select claimed_by from outbox order by id limit 1`;
    expect(first!.claimed_by).toBe('other');
  });

  test('[law 1] find a row that commits late under a lower id', async () => {
    const late = await begun(hub);
    await late`insert into tenants (id, name) values ('ten_late', 'late')`;
    await changes(2);
    const early = await claim('one');
    expect(early.map((row) => row.key)).toEqual(['ten_0001', 'ten_0002']);
    await completeChanges(
      hub.db,
      'one',
      early.map((row) => row.id),
    );
    await late`commit`;
    late.release();
    const [found] = await claim('one');
    expect(found!.key).toBe('ten_late');
    expect(found!.id).toBeLessThan(early[0]!.id);
  });

  test('[law 6] take what tightens first, then by age, and no more than asked for', async () => {
    await changes(5);
    await hub.sql`update tenants set status = 'suspended' where id in ('ten_0002', 'ten_0004')`;
    const keys = async (limit: number) => (await claim('one', { limit })).map((row) => row.key);
    expect(await keys(3)).toEqual(['ten_0002', 'ten_0004', 'ten_0001']);
    expect(await keys(3)).toEqual(['ten_0002', 'ten_0003', 'ten_0004']);
  });

  test('[law 6] of placements and of all else are apart', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.unplace('vci_1', 'r1');
    const placements = await claim('one', { takes: 'placements' });
    expect(placements.map(({ kind, key, cause, tightens }) => [kind, key, cause, tightens])).toEqual([
      ['cluster', 'vci_1', 'placement', true],
      ['cluster', 'vci_1', 'placement', false],
    ]);
    const rest = await claim('one');
    expect(rest.map(({ cause }) => cause)).toEqual(['row', 'row']);
  });
});

describe('completing', () => {
  test('removes the rows, and only those', async () => {
    await changes(3);
    const [first] = await claim('one', { limit: 1 });
    await completeChanges(hub.db, 'one', [first!.id]);
    expect((await hub.outbox()).map((row) => row.key)).toEqual(['ten_0002', 'ten_0003']);
    await completeChanges(hub.db, 'one', []);
  });

  test('[law 1] by a claimant who lost the lease to another removes nothing', async () => {
    await changes(1);
    const [change] = await claim('slow');
    await letLeasesEnd();
    expect(await claim('quick')).toHaveLength(1);
    await completeChanges(hub.db, 'slow', [change!.id]);
    await releaseChanges(hub.db, 'slow', [change!.id]);
    await renewChanges(hub.db, { claimant: 'slow', leaseMs: 3_600_000 }, [change!.id]);
    expect(await hub.outbox()).toHaveLength(1);
    expect(await claim('third'), "and does not give away the other's").toEqual([]);
    await completeChanges(hub.db, 'quick', [change!.id]);
    expect(await hub.outbox()).toEqual([]);
  });

  test('giving back makes rows free at once; renewing holds on to them', async () => {
    await changes(2);
    const rows = await claim('one');
    await releaseChanges(hub.db, 'one', [rows[0]!.id]);
    await hub.sql`update outbox set claimed_until = clock_timestamp() + interval '50 milliseconds' where claimed_by is not null`;
    await renewChanges(hub.db, { claimant: 'one', leaseMs: 60_000 }, [rows[1]!.id]);
    await hub.sql`select pg_sleep(0.06)`;
    expect((await claim('two')).map((row) => row.id)).toEqual([rows[0]!.id]);
  });
});

test('the backlog says how much waits and for how long', async () => {
  expect(await outboxBacklog(hub.db)).toEqual({ rows: 0, oldestMs: 0 });
  await changes(3);
  await hub.sql`update outbox set created_at = clock_timestamp() - interval '1 minute' where id = (select min(id) from outbox)`;
  const { rows, oldestMs } = await outboxBacklog(hub.db);
  expect(rows).toBe(3);
  expect(oldestMs).toBeGreaterThanOrEqual(60_000);
  expect(oldestMs).toBeLessThan(90_000);
});

test('asking for a refresh draws no revision, and skips what the hub never heard of', async () => {
  await hub.cluster('vci_1', 'ten_1', 'r1');
  await hub.emptyOutbox();
  const before = await hub.revision('tenant', 'ten_1');
  const asked = await requestRefresh(hub.db, [
    { kind: 'tenant', key: 'ten_1' },
    { kind: 'tenant', key: 'ten_x' },
    { kind: 'cluster', key: 'ten_1' },
  ]);
  expect(asked).toBe(1);
  expect(await hub.revision('tenant', 'ten_1')).toBe(before);
  expect(await hub.outbox()).toMatchObject([{ kind: 'tenant', key: 'ten_1', cause: 'request' }]);
});

describe('fresh revisions', () => {
  test('[law 2] outrank all that was drawn, leave what is deleted deleted, and make no heads', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.cluster('vci_2', 'ten_1', 'r1');
    await hub.sql`delete from clusters where id = 'vci_2'`;
    await hub.emptyOutbox();
    const [last] = await hub.sql`select last_value from revisions`;
    await drawRevisions(hub.db, [
      { kind: 'cluster', key: 'vci_2' },
      { kind: 'tenant', key: 'ten_1' },
      { kind: 'cluster', key: 'vci_none' },
    ]);
    const [deleted, live] = [await hub.head('cluster', 'vci_2'), await hub.head('tenant', 'ten_1')];
    expect(deleted!.revision).toBeGreaterThan(Number(last!.last_value));
    expect(deleted!.deleted).toBe(true);
    expect(live!.revision).toBeGreaterThan(Number(last!.last_value));
    expect(live!.deleted).toBe(false);
    expect(await hub.head('cluster', 'vci_none')).toBeUndefined();
    expect((await hub.outbox()).map(({ key, cause }) => [key, cause])).toEqual([
      ['vci_2', 'repair'],
      ['ten_1', 'repair'],
    ]);
  });

  test('[law 2] for a stranger is drawn from the same sequence', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    const fresh = await freshRevision(hub.db);
    expect(fresh.revision).toBeGreaterThan(await hub.revision('cluster', 'vci_1'));
    expect(fresh.epoch).toBe(1);
    expect((await freshRevision(hub.db)).revision).toBeGreaterThan(fresh.revision);
  });
});

test('[law 6] every change notifies, so that the relay is woken by its commit', async () => {
  let heard = 0;
  const listening = await hub.session().listen('spokecast_outbox', () => {
    heard += 1;
  });
  const expected = async (change: () => PromiseLike<unknown>) => {
    const before = heard;
    await change();
    await expect.poll(() => heard).toBeGreaterThan(before);
  };
  await expected(() => hub.cluster('vci_1', 'ten_1', 'r1'));
  await expected(() => hub.key('aki_1', 'vci_1'));
  await expected(() => hub.unplace('vci_1', 'r1'));
  await expected(() => hub.sql`delete from tenants`);
  await expected(() => requestRefresh(hub.db, [{ kind: 'tenant', key: 'ten_1' }]));
  await listening.unlisten();
});

test('[law 1] [law 6] whoever promises to notify after the commit is spared it in the transaction; nobody else is', async () => {
  await hub.cluster('vci_1', 'ten_1', 'r1');
  const heard: string[] = [];
  const listener = hub.session();
  await listener.listen('spokecast_outbox', () => heard.push('the outbox'));
  await listener.listen('marker', (what) => heard.push(what));
  const session = await hub.session().reserve();
  /** What was heard up to here: notifications come in the order of commits. */
  const heardBy = async (what: string) => {
    await session`select pg_notify('marker', ${what})`;
    await expect.poll(() => heard, { timeout: 30_000 }).toContain(what);
    return heard.splice(0);
  };
  await heardBy('what was before');

  await session`begin`;
  await session`set local spokecast.notify = 'after-commit'`;
  await hub.key('aki_1', 'vci_1', session);
  await session`commit`;
  expect(await heardBy('promised')).toEqual(['promised']);
  expect((await hub.outbox()).at(-1)).toMatchObject({ key: 'aki_1' });

  await hub.key('aki_2', 'vci_1', session); // the promise does not outlive its transaction
  expect(await heardBy('plain')).toEqual(['the outbox', 'plain']);
  await hub.database.notify(['spokecast_outbox', 'spokecast_events']);
  expect(await heardBy('kept')).toEqual(['the outbox', 'kept']);
  await hub.emptyOutbox();
  await hub.database.notify(['spokecast_outbox', 'spokecast_events']);
  expect(await heardBy('nothing to do')).toEqual(['nothing to do']);
  session.release();
});

test('[law 6] nothing in the schema notifies of changes but the function that knows of that promise', async () => {
  const functions = await hub.sql`
    select proname as name from pg_proc
    where pronamespace = 'public'::regnamespace and prosrc ilike '%notify(%' order by 1`;
  expect(functions.map(({ name }) => name)).toEqual(['hint', 'notify_freezes', 'notify_regions']);
});
