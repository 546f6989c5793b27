import { sql as drizzle } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LastWord, reportRegion } from '../../hub/db/gateways.ts';
import { beginSweep, completeSweep, currentMark, noCounts } from '../../hub/db/sweeps.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('regions', () => {
  test('are created, drained and deleted', async () => {
    const store = { endpoint: 'http://127.0.0.1:4201', table: 'spokecast-dev-eu-west-1' };
    const created = await hub.owner.post('/v1/regions', { id: 'eu-west-1', store });
    expect(created.body).toMatchObject({ id: 'eu-west-1', status: 'seeding', store });
    expect((await hub.owner.patch('/v1/regions/eu-west-1', { status: 'draining' })).body.status).toBe(
      'draining',
    );
    expect((await hub.owner.delete('/v1/regions/eu-west-1')).status).toBe(204);
    expect((await hub.owner.get('/v1/regions/eu-west-1')).status).toBe(404);
  });

  test('have ids and stores of their own', async () => {
    await make.region(hub.owner, 'one');
    const again = await hub.owner.post('/v1/regions', { id: 'one', store: { table: 'another-table' } });
    expect(again.body).toMatchObject({ status: 409, code: 'ID_TAKEN' });
    const { store } = (await hub.owner.get('/v1/regions/one')).body;
    expect((await hub.owner.post('/v1/regions', { id: 'two', store })).body).toMatchObject({
      status: 409,
      code: 'STORE_TAKEN',
    });
  });

  test('that hold clusters are not deleted', async () => {
    const region = await make.region(hub.owner);
    const cluster = await make.cluster(hub.owner, await make.tenant(hub.owner), [region]);
    expect((await hub.owner.delete(`/v1/regions/${region}`)).body).toMatchObject({
      status: 409,
      code: 'REGION_IN_USE',
    });
    await hub.owner.delete(`/v1/clusters/${cluster}`);
    expect((await hub.owner.delete(`/v1/regions/${region}`)).status).toBe(204);
  });

  test('that hold clusters are deleted by force, and the placements there end', async () => {
    const [kept, removed] = [await make.region(hub.owner), await make.region(hub.owner)];
    const cluster = await make.cluster(hub.owner, await make.tenant(hub.owner), [kept, removed]);
    expect((await hub.owner.delete(`/v1/regions/${removed}?force=true`)).status).toBe(204);
    const { placements } = (await hub.owner.get(`/v1/clusters/${cluster}`)).body;
    expect(placements.map((placement: { region: string }) => placement.region)).toEqual([kept]);
  });

  test('are seeding while nobody has verified them, and say how far that is', async () => {
    const region = await make.region(hub.owner);
    const path = `/v1/regions/${region}`;
    const { items } = (await hub.owner.get(`/v1/seedings?region=${region}`)).body;
    expect(items).toMatchObject([{ region, cause: 'added', phase: 'waiting', finishedAt: null }]);
    // Asking again joins it, and nobody declares it active.
    expect((await hub.owner.post('/v1/seedings', { region })).body.id).toBe(items[0].id);
    expect((await hub.owner.patch(path, { status: 'disabled' })).body.status).toBe('disabled');
    expect((await hub.owner.post('/v1/seedings', { region })).body.code).toBe('REGION_DISABLED');
    expect((await hub.owner.patch(path, { status: 'active' })).body.status).toBe('seeding');
    expect((await hub.owner.post('/v1/seedings', { region: 'nowhere' })).body.code).toBe('REGION_UNKNOWN');
  });

  test('are shown as whoever of several publishers reaches them has it, and as all have it once none does', async () => {
    const region = await make.region(hub.owner);
    const { db } = hub.hub.services.database;
    const publisher = () => {
      const word: LastWord = { reportedAt: null };
      return (state: string) => reportRegion(db, { region, state, reason: null }, word);
    };
    const [one, other, late] = [publisher(), publisher(), publisher()];
    const shown = async () => (await hub.owner.get(`/v1/regions/${region}`)).body.publishing.state;
    await one('open');
    await other('open');
    for (const told of [
      () => one('behind'),
      () => late('opening'),
      () => other('open'),
      () => one('refused'),
    ]) {
      await told();
      expect(await shown()).toBe('open');
    }
    await other('behind');
    expect(await shown(), 'it said so itself').toBe('behind');
    await one('behind');
    await one('open');
    expect(await shown()).toBe('open');
    // It ends without a word, and nobody else reaches the region.
    await db.execute(drizzle`
      update region_reports set reported_at = now() - interval '20 seconds' where region = ${region}`);
    await other('behind');
    expect(await shown()).toBe('behind');
  });

  test('show whether they are published to, and if not why, and what was left to a person', async () => {
    const region = await make.region(hub.owner);
    const publishing = async () => (await hub.owner.get(`/v1/regions/${region}`)).body.publishing;
    expect(await publishing()).toMatchObject({
      ...{ state: 'unknown', reason: expect.stringContaining('is one running?'), heldAhead: 0 },
    });
    const { db } = hub.hub.services.database;
    const word: LastWord = { reportedAt: null };
    for (const [state, reason] of [
      ['open', null],
      ['behind', 'STORE_UNAVAILABLE'],
      ['ahead', 'see `spokecast hub promote-epoch --dry-run`'],
    ] as const) {
      await reportRegion(db, { region, state, reason }, word);
      expect(await publishing()).toMatchObject({ state, reason });
      const { items } = (await hub.owner.get('/v1/regions')).body;
      expect(items.find(({ id }: { id: string }) => id === region).publishing).toMatchObject({
        state,
        reason,
      });
    }
    await db.execute(
      drizzle`update region_reports set reported_at = now() - interval '1 minute' where region = ${region}`,
    );
    expect(await publishing()).toMatchObject({
      state: 'unknown',
      reason: expect.stringMatching(/for 60\.\d s/),
    });

    for (const [id, heldAhead] of [
      ['swp_01k9c0v8w1e4qafk3s7m2t6xh1', 3],
      ['swp_01k9c0v8w1e4qafk3s7m2t6xh2', 0],
    ] as const) {
      await beginSweep(db, { id, region, cause: 'scheduled' });
      await completeSweep(
        db,
        id,
        { ...noCounts(), ahead: 4, heldAhead },
        { mark: await currentMark(db), tail: [] },
      );
      expect((await publishing()).heldAhead).toBe(heldAhead);
      expect((await hub.owner.get(`/v1/sweeps/${id}`)).body.counts).toMatchObject({ ahead: 4, heldAhead });
    }
    await hub.owner.patch(`/v1/regions/${region}`, { status: 'disabled' });
    expect(await publishing()).toMatchObject({
      state: 'disabled',
      reason: expect.stringContaining('disabled'),
    });
  });

  test('change the endpoint of their store at any time, the table only while disabled', async () => {
    const region = await make.region(hub.owner);
    const path = `/v1/regions/${region}`;
    const { store } = (await hub.owner.get(path)).body;
    const elsewhere = { ...store, endpoint: 'http://elsewhere.example' };
    expect((await hub.owner.patch(path, { store: elsewhere })).body.store).toEqual(elsewhere);

    const another = { ...elsewhere, table: 'another-table' };
    expect((await hub.owner.patch(path, { store: another })).body).toMatchObject({
      status: 409,
      code: 'REGION_STORE_FIXED',
    });
    await hub.owner.patch(path, { status: 'disabled' });
    expect((await hub.owner.patch(path, { store: another, status: 'active' })).body.code).toBe(
      'REGION_STORE_FIXED',
    );
    expect((await hub.owner.patch(path, { store: another })).body.store).toEqual(another);
  });

  test("are readable for tenants, without their stores' addresses, and writable for owners only", async () => {
    const region = await make.region(hub.owner);
    const tenant = await make.tenant(hub.owner);
    const viewer = hub.as(
      (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).secret,
    );
    expect((await viewer.get(`/v1/regions/${region}`)).body).not.toHaveProperty('store');
    expect((await viewer.get('/v1/regions')).body.items.every((item: object) => !('store' in item))).toBe(
      true,
    );
    const admin = hub.as((await make.applicationKey(hub.owner, { role: 'admin' })).secret);
    expect((await admin.patch(`/v1/regions/${region}`, { status: 'disabled' })).status).toBe(403);
  });
});
