import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

let hub: TestHub;
/** A path and two different changes of everything that can be changed. */
let things: [path: string, one: object, other: object][];
beforeAll(async () => {
  hub = await startHub();
  const region = await make.region(hub.owner);
  const tenant = await make.tenant(hub.owner);
  const cluster = await make.cluster(hub.owner, tenant, [region]);
  const key = await make.agentKey(hub.owner, cluster);
  const application = await make.applicationKey(hub.owner, { role: 'viewer' });
  things = [
    [`/v1/agent-keys/${key.id}`, { name: 'one' }, { name: 'other' }],
    [`/v1/clusters/${cluster}`, { name: 'one' }, { name: 'other' }],
    [`/v1/tenants/${tenant}`, { name: 'one' }, { name: 'other' }],
    [`/v1/regions/${region}`, { status: 'draining' }, { status: 'disabled' }],
    [`/v1/application-keys/${application.id}`, { name: 'one' }, { name: 'other' }],
  ];
});
afterAll(() => hub[Symbol.asyncDispose]());

const ifMatch = (etag: string | null) => ({ headers: { 'if-match': etag! } });

describe('If-Match', () => {
  test('lets a change through only while the thing is as it was read', async () => {
    for (const [path, one, other] of things) {
      const read = await hub.owner.get(path);
      const changed = await hub.owner.patch(path, one, ifMatch(read.headers.get('etag')));
      expect(changed.status, path).toBe(200);
      const late = await hub.owner.patch(path, other, ifMatch(read.headers.get('etag')));
      expect(late.body).toMatchObject({ status: 412, code: 'PRECONDITION_FAILED' });
      expect(late.headers.get('etag')).toBe(changed.headers.get('etag'));
      expect((await hub.owner.delete(path, ifMatch(read.headers.get('etag')))).status).toBe(412);
      expect((await hub.owner.get(path)).body).toMatchObject(changed.body);
    }
  });

  test('lets one of two changes through that were based on the same read', async () => {
    for (const [path, one, other] of things) {
      await hub.owner.patch(path, 'name' in one ? { name: 'before' } : { status: 'active' });
      const etag = (await hub.owner.get(path)).headers.get('etag');
      const answers = await Promise.all(
        [one, other].map((change) => hub.owner.patch(path, change, ifMatch(etag))),
      );
      expect(answers.map(({ status }) => status).sort(), path).toEqual([200, 412]);
    }
  });

  test('takes *, lists, and no weak tags', async () => {
    const [path, one] = things[0]!;
    const etag = (await hub.owner.get(path)).headers.get('etag');
    expect((await hub.owner.patch(path, one, ifMatch(`W/${etag}`))).status).toBe(412);
    expect((await hub.owner.patch(path, one, ifMatch(`"other", ${etag}`))).status).toBe(200);
    expect((await hub.owner.patch(path, one, ifMatch('*'))).status).toBe(200);
  });

  test('lets a deletion through when it fits', async () => {
    for (const [path] of things) {
      const etag = (await hub.owner.get(path)).headers.get('etag');
      expect((await hub.owner.delete(path, ifMatch(etag))).status, path).toBe(204);
    }
  });
});
