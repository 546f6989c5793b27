import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

let hub: TestHub;
const made: string[] = [];
beforeAll(async () => {
  hub = await startHub();
  for (let i = 0; i < 7; i++) made.push(await make.tenant(hub.owner));
  for (let i = 0; i < 3; i++) await make.region(hub.owner);
});
afterAll(() => hub[Symbol.asyncDispose]());

async function pages(path: string): Promise<string[][]> {
  const seen: string[][] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { body } = await hub.owner.get(`${path}&${cursor === '' ? '' : `cursor=${cursor}`}`);
    seen.push(body.items.map(({ id }: { id: string }) => id));
    cursor = body.nextCursor;
  }
  return seen;
}

describe('lists', () => {
  test('come in pages that hold everything once', async () => {
    const seen = await pages('/v1/tenants?limit=3');
    expect(seen.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(seen.flat()).toEqual(made);
    expect((await pages('/v1/tenants?limit=7')).length).toBe(1);
    for (const list of ['regions', 'audit-log', 'application-keys']) {
      const ids = (await pages(`/v1/${list}?limit=2`)).flat();
      expect(new Set(ids).size).toBe(ids.length);
    }
    expect((await pages('/v1/regions?limit=2')).flat()).toHaveLength(3);
  });

  test('go on behind the last one shown, whatever was deleted or added meanwhile', async () => {
    const first = (await hub.owner.get('/v1/tenants?limit=2')).body;
    await hub.owner.delete(`/v1/tenants/${made[1]}`);
    const added = await make.tenant(hub.owner);
    const rest = (await hub.owner.get(`/v1/tenants?limit=200&cursor=${first.nextCursor}`)).body.items;
    expect(rest.map(({ id }: { id: string }) => id)).toEqual([...made.slice(2), added]);
  });

  test('take no limit out of bounds and no cursor of another list', async () => {
    for (const limit of ['0', '201', '-1', '1.5', 'x', '', '1e1']) {
      expect((await hub.owner.get(`/v1/tenants?limit=${limit}`)).body, limit).toMatchObject({
        status: 400,
        errors: [{ pointer: '?limit' }],
      });
    }
    const { nextCursor } = (await hub.owner.get('/v1/tenants?limit=1')).body;
    const cursors = [
      nextCursor.slice(1),
      `${nextCursor}=`,
      Buffer.from("tenants/'; drop").toString('base64url'),
      '%00',
      '',
    ];
    for (const cursor of cursors) {
      expect((await hub.owner.get(`/v1/tenants?cursor=${cursor}`)).body, cursor).toMatchObject({
        status: 400,
        errors: [{ pointer: '?cursor' }],
      });
    }
    expect((await hub.owner.get(`/v1/clusters?cursor=${nextCursor}`)).status).toBe(400);
  });

  test('say in words what is wrong with limit and cursor', async () => {
    for (const limit of ['0', '201', '9999']) {
      const { body } = await hub.owner.get(`/v1/tenants?limit=${limit}`);
      expect(body.errors, limit).toEqual([{ pointer: '?limit', detail: 'must be from 1 to 200' }]);
    }
    const { body } = await hub.owner.get(`/v1/tenants?cursor=${'A'.repeat(301)}`);
    expect(body.errors).toEqual([{ pointer: '?cursor', detail: 'is not a cursor of this list' }]);
  });

  test('take no parameters that they do not know, and none twice', async () => {
    const answer = await hub.owner.get('/v1/tenants?limit=1&limit=2&colour=red&name=%00');
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '?colour',
      '?limit',
      '?name',
    ]);
    expect((await hub.owner.get(`/v1/tenants/${made[0]}?x=1`)).body.errors).toMatchObject([
      { pointer: '?x' },
    ]);
  });
});
