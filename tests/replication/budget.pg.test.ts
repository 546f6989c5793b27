import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestHub } from '../hub/support/hub.ts';
import { HubAndSpokes, until } from './support/hub-and-spokes.ts';
import { OperatedWheel } from './support/operated.ts';

/** A hub, a publisher with the default budget, a region and a gateway, end to end; every mistake here is SQL's. */
describe('[law 9] mass death', () => {
  let it: OperatedWheel;
  let wheel: HubAndSpokes;
  let hub: TestHub;
  beforeAll(async () => {
    it = await OperatedWheel.start();
    ({ wheel, hub } = it);
  });
  afterAll(() => it[Symbol.asyncDispose]());

  test('ten plain deletes are not held', async () => {
    const { keys, ids } = await it.keysOf(10);
    await wheel.sql`delete from agent_keys where id = any(${ids})`;
    await it.allBecome(keys, 401);
    expect(await it.publishing()).toMatchObject({ held: 0, quarantined: 0, heldAhead: 0, freeze: null });
  });

  test('`delete from agent_keys where ...` of thirty is held whole, again and again, and a sweep that is approved lets it through', async () => {
    await it.freshWindow();
    const { keys, ids, clusterId } = await it.keysOf(30);
    await wheel.sql`delete from agent_keys where id = any(${ids})`;
    await it.isHeld(30);
    await wheel.idle(); // no job is tried again and again
    expect(await it.answers(keys)).toEqual([200]);
    expect((await it.holds())[0]).toMatchObject({
      kind: 'agent-key',
      reason: 'budget',
      detail: expect.stringContaining('at most 20'),
    });
    expect(await it.context(`agent-key/${ids[0]}`)).toMatchObject({
      state: 'held',
      detail: expect.stringMatching(/^budget: 30 lost at once/),
      derived: { state: 'gone' },
      stored: { state: 'live' },
    });

    const [first, second] = [await it.sweep(), await it.sweep()];
    for (const { status, counts } of [first, second])
      expect({ status, ...counts }).toMatchObject({
        ...{ status: 'completed', held: 30, written: 0 },
        ...{ missing: 0, stale: 0, orphan: 0, corrupt: 0, ahead: 0 },
      });
    expect(first.plan).toEqual(second.plan);

    const one = (await hub.owner.post('/v1/agent-keys', { clusterId, name: 'new' })).body;
    await wheel.becomes(it.region, one.secret, 200); // the rest goes on
    expect((await hub.owner.delete(`/v1/agent-keys/${one.id}`)).status).toBe(204);
    await wheel.becomes(it.region, one.secret, 401);

    const approved = await hub.owner.post(`/v1/sweeps/${second.id}/approve`);
    expect(approved.body).toMatchObject({ contexts: 30, plan: second.plan });
    await it.allBecome(keys, 401);
    await it.converges();
    await it.isHeld(0);
    expect((await it.sweep()).counts).toMatchObject({ held: 0, written: 0 });
    const [entry] = (await hub.owner.get('/v1/audit-log?action=sweep.approve')).body.items;
    expect(entry).toMatchObject({
      resourceId: second.id,
      after: { region: it.region, contexts: 30, plan: second.plan },
    });
    expect((await hub.owner.post(`/v1/sweeps/${second.id}/approve`)).body.code).toBe('PLAN_CHANGED');
  });

  test('an approval is of what the sweep showed: with one more, or one less, it is refused and nothing goes through', async () => {
    await it.freshWindow();
    const { keys, ids } = await it.keysOf(60);
    await wheel.sql`delete from agent_keys where id = any(${ids.slice(0, 30)})`;
    await it.isHeld(30);
    const sweep = await it.sweep();
    await wheel.sql`delete from agent_keys where id = any(${ids.slice(30)})`;
    await it.isHeld(60);
    expect((await hub.owner.post(`/v1/sweeps/${sweep.id}/approve`)).body).toMatchObject({
      status: 409,
      code: 'PLAN_CHANGED',
    });
    await it.sweep();
    expect(await it.answers(keys)).toEqual([200]);
    await hub.owner.post(`/v1/sweeps/${(await it.sweep()).id}/approve`);
    await it.allBecome(keys, 401);
    expect((await hub.owner.post(`/v1/sweeps/${(await it.sweep()).id}/approve`)).body.code).toBe(
      'NOTHING_HELD',
    );
  });

  test("`update tenants set status = 'suspended'` is held, and goes away by itself when it is undone", async () => {
    await it.freshWindow();
    const { keys } = await it.keysOf(1);
    for (let i = 0; i < 25; i++) await wheel.newCluster([it.region]);
    await wheel.idle();
    await wheel.sql`update tenants set status = 'suspended'`;
    await until(async () => (await it.holds('&kind=tenant')).length >= 25, 'the tenants are held');
    expect(await it.answers(keys)).toEqual([200]);
    expect((await it.sweep()).counts).toMatchObject({ stale: 0, written: 0 });
    await wheel.sql`update tenants set status = 'active'`;
    await it.isHeld(0);
    await it.converges();
    expect((await it.sweep()).plan).toBeNull();
  });

  test('one tenant suspended, or one cluster disabled, by SQL is held where it takes too many keys along; through the API it is not', async () => {
    await it.freshWindow();
    const { keys, tenantId, clusterId } = await it.keysOf(25);
    await wheel.sql`update tenants set status = 'suspended' where id = ${tenantId}`;
    await it.isHeld(1);
    await wheel.sql`update clusters set status = 'disabled' where id = ${clusterId}`;
    await it.isHeld(2);
    expect((await it.sweep()).counts).toMatchObject({ held: 2, stale: 0, written: 0 });
    expect(await it.answers(keys)).toEqual([200]);
    expect((await it.holds('&kind=tenant'))[0]?.detail).toMatch(
      /^more than 20 agent keys would stop to work/,
    );
    await wheel.sql`update tenants set status = 'active' where id = ${tenantId}`;
    await wheel.sql`update clusters set status = 'active' where id = ${clusterId}`;
    await it.isHeld(0);
    const suspended = await hub.owner.patch(`/v1/tenants/${tenantId}`, { status: 'suspended' });
    expect(suspended.status).toBe(200);
    await it.allBecome(keys, 403);
    expect(await it.publishing()).toMatchObject({ held: 0 });
    expect((await hub.owner.patch(`/v1/tenants/${tenantId}`, { status: 'active' })).status).toBe(200);
    await it.allBecome(keys, 200);
  });

  test('keys that all expire at once are held as well', async () => {
    await it.freshWindow();
    const { keys, ids } = await it.keysOf(30);
    await wheel.sql`update agent_keys set expires_at = now() - interval '1 minute' where id = any(${ids})`;
    await it.isHeld(30);
    expect(await it.answers(keys)).toEqual([200]);
    await wheel.sql`update agent_keys set expires_at = null where id = any(${ids})`;
    await it.isHeld(0);
  });

  test('and so are keys that are all to expire in a minute', async () => {
    await it.freshWindow();
    const { keys, ids } = await it.keysOf(30);
    const before = await it.stored();
    await wheel.sql`update agent_keys set expires_at = now() + interval '1 minute' where id = any(${ids})`;
    await it.isHeld(30);
    expect((await it.sweep()).counts).toMatchObject({ held: 30, stale: 0, written: 0 });
    expect(await it.stored()).toEqual(before);
    await wheel.sql`update agent_keys set expires_at = null where id = any(${ids})`;
    await it.isHeld(0);
    expect(await it.answers(keys)).toEqual([200]);
  });

  test('a tenant deleted through the API with 150 keys is not held up, and neither by a sweep when its outbox rows are lost', async () => {
    await it.freshWindow();
    for (const lost of [false, true]) {
      const { keys, tenantId } = await it.keysOf(150);
      const remove = async () =>
        expect((await hub.owner.delete(`/v1/tenants/${tenantId}?cascade=true`)).status).toBe(204);
      if (lost) await it.withLostOutbox(remove);
      else await remove();
      await it.allBecome(keys, 401);
      expect(await it.publishing()).toMatchObject({ held: 0 });
      await it.converges();
    }
  });

  test('a placement that the API removes takes its keys along, also when its outbox row is lost; one that SQL removes does not', async () => {
    await it.freshWindow();
    const remove = (id: string) =>
      hub.owner.patch(`/v1/clusters/${id}`, { placements: [{ region: it.elsewhere }] });
    const [now, later, mistake] = [await it.keysOf(40), await it.keysOf(40), await it.keysOf(40)];
    expect((await remove(now.clusterId)).status).toBe(200);
    await it.allBecome(now.keys, 401);
    await it.withLostOutbox(() => remove(later.clusterId));
    await it.allBecome(later.keys, 401);
    await it.converges();
    await wheel.sql`delete from placements where cluster_id = ${mistake.clusterId}`;
    await it.isHeld(40);
    // The cluster itself is one loss, and within the budget: its keys wait for it to come back, or for an approval.
    await wheel.sql`insert into placements (cluster_id, region) values (${mistake.clusterId}, ${it.region})`;
    await it.allBecome(mistake.keys, 200);
    await it.isHeld(0);
    await it.converges();
  });

  test('a store that is edited behind the back of the hub: orphans it never knew are losses too', async () => {
    await it.freshWindow();
    const { keys, ids } = await it.keysOf(30);
    // As a table that another hub had filled: the contexts are there, and this hub has no heads of them.
    await wheel.sql.begin(async (sql) => {
      await sql`delete from agent_keys where id = any(${ids})`;
      await sql`delete from heads where key = any(${ids})`;
      await sql`delete from outbox where key = any(${ids})`;
    });
    expect((await it.sweep()).counts).toMatchObject({ held: 30, orphan: 0 });
    expect(await it.answers(keys)).toEqual([200]);
    await hub.owner.post(`/v1/sweeps/${(await it.sweep()).id}/approve`);
    await it.allBecome(keys, 401);
    await it.converges();
  });

  test('`delete from agent_keys` without a where: the kind is gone, and all of it is held however little it is', async () => {
    await it.freshWindow();
    await wheel.sql`delete from agent_keys where name = 'k'`;
    await it.sweep();
    await hub.owner.post(`/v1/sweeps/${(await it.sweep()).id}/approve`);
    await wheel.idle();
    await it.freshWindow();
    const { keys } = await it.keysOf(3);
    await wheel.sql`delete from agent_keys`;
    await it.isHeld(3);
    expect((await it.holds()).map(({ reason }) => reason)).toEqual(Array(3).fill('kind-empty'));
    expect(await it.answers(keys)).toEqual([200]);
    expect((await it.sweep()).counts).toMatchObject({ held: 3, written: 0 });
  });

  test('an emptied database, heads and all, kills nothing', async () => {
    await it.freshWindow();
    const { keys } = await it.keysOf(5);
    const before = await it.stored();
    await wheel.sql`delete from tenants`;
    await wheel.sql`delete from heads`;
    await wheel.idle();
    expect((await it.sweep()).counts).toMatchObject({ written: 0, orphan: 0 });
    expect(await it.stored()).toEqual(before);
    expect(await it.answers(keys)).toEqual([200]);
  });

  test('TRUNCATE is refused', async () => {
    for (const table of ['tenants', 'agent_keys'])
      await expect(wheel.sql.unsafe(`truncate ${table} cascade`)).rejects.toThrow(
        /TRUNCATE of .* is refused/,
      );
  });

  test.each([
    ["another hub's", 'refused', true],
    // The same hub, from before it had drawn these revisions: a backup, or a copy made for staging.
    ['a copy of this hub, empty', 'ahead', false],
  ])(
    'with the wrong DATABASE_URL, %s, the region is %s and nothing is written',
    async (_, state, foreign) => {
      const before = await it.stored();
      await using other = await HubAndSpokes.start({ regions: [], publishers: 0 });
      if (foreign) await other.sql`update hub_state set hub_id = gen_random_uuid()`;
      const { proxy, table } = wheel.spoke(it.region);
      await other.sql`insert into regions (id, store_endpoint, store_table) values (${it.region}, ${proxy.url}, ${table})`;
      const { regions } = await other.addPublisher();
      await until(async () => regions.get(it.region)?.state === state, `the region is ${state}`);
      expect(await it.stored()).toEqual(before);
    },
  );
});
