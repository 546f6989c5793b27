import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
let sql: postgres.Sql;
beforeAll(async () => {
  hub = await startHub();
  sql = postgres(hub.databaseUrl, { max: 2 });
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

describe('sweeps', () => {
  test('need a region', async () => {
    expect((await hub.owner.post('/v1/sweeps', {})).body).toMatchObject({
      status: 422,
      code: 'REGION_UNKNOWN',
    });
    expect((await hub.owner.post('/v1/sweeps', { region: 'moon' })).body).toMatchObject({
      status: 422,
      errors: [{ pointer: '/region' }],
    });
  });

  test('are asked for by region, wake the publisher, and show what it writes down', async () => {
    const region = await make.region(hub.owner, 'north');
    let woken = 0;
    const { unlisten } = await sql.listen('spokecast_sweeps', () => {
      woken += 1;
    });
    const asked = await hub.owner.post('/v1/sweeps', { region });
    expect(asked).toMatchObject({
      status: 202,
      body: { items: [{ id: asked.body.id, region, status: 'requested' }] },
    });
    await expect.poll(() => woken).toBe(1);
    await unlisten();

    const path = `/v1/sweeps/${asked.body.id}`;
    expect((await hub.owner.get(path)).body).toMatchObject({
      status: 'requested',
      cause: 'requested',
      counts: null,
      startedAt: null,
    });
    const counts = { scanned: 9, written: 3, missing: 1, stale: 1, corrupt: 0, orphan: 1, ahead: 0 };
    await sql`update sweeps set status = 'completed', counts = ${sql.json(counts)}, started_at = now(), finished_at = now(), tail = '[]'`;
    const done = (await hub.owner.get(path)).body;
    expect(done).toMatchObject({
      status: 'completed',
      counts: { ...counts, expired: 0 },
      finishedAt: expect.any(String),
    });
    expect(done).not.toHaveProperty('tail');
    expect((await hub.owner.get('/v1/sweeps?region=north&status=completed')).body.items).toEqual([done]);
    expect((await hub.owner.get('/v1/sweeps?status=failed')).body.items).toEqual([]);
  });

  test('that wait are joined; one that was taken up is not', async () => {
    const region = await make.region(hub.owner);
    const ask = async () => (await hub.owner.post('/v1/sweeps', { region })).body.id;
    const first = await ask();
    expect(await ask()).toBe(first);
    await sql`update sweeps set status = 'running' where id = ${first}`;
    expect(await ask()).not.toBe(first);
  });

  test('without a region are one for each that is not disabled', async () => {
    const [off, draining] = [await make.region(hub.owner), await make.region(hub.owner)];
    await hub.owner.patch(`/v1/regions/${off}`, { status: 'disabled' });
    await hub.owner.patch(`/v1/regions/${draining}`, { status: 'draining' });
    const asked = (await hub.owner.post('/v1/sweeps')).body;
    const regions = asked.items.map(({ region }: { region: string }) => region);
    expect(regions).toContain(draining);
    expect(regions).not.toContain(off);
    expect(asked.id).toBe(asked.items[0].id);
    expect((await hub.owner.post('/v1/sweeps', { region: off })).body).toMatchObject({
      status: 409,
      code: 'REGION_DISABLED',
    });
  });

  test('are listed latest first', async () => {
    const ids = (await hub.owner.get('/v1/sweeps')).body.items.map(({ id }: { id: string }) => id);
    expect(ids.length).toBeGreaterThan(2);
    expect(ids).toEqual([...ids].sort().reverse());
  });
});
