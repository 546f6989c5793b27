import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { chunked } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { type Dynalite, startDynalite } from '../support/dynalite.ts';
import { HttpProxy } from '../support/http-proxy.ts';
import { allOf, gone, initialise, keyContext, newDemo, publish, tenantContext } from './support/contexts.ts';
import { startGateway } from './support/gateway-world.ts';
import { send, startUpstream } from './support/upstream.ts';

/** The whole gateway over a real store: the publisher's handle goes straight to it, the gateway's through a proxy. */
let dynalite: Dynalite;
beforeAll(async () => {
  dynalite = await startDynalite();
});
afterAll(() => dynalite[Symbol.asyncDispose]());

function connect(endpoint: string, table: string): DynamoStore {
  const times = { requestTimeoutMs: 1_000, connectionTimeoutMs: 500 };
  return DynamoStore.connect({ table, endpoint, clock: systemClock, random: systemRandom, ...times });
}

async function world() {
  const table = `spokecast-test-${randomBytes(4).toString('hex')}`;
  const publisher = connect(dynalite.endpoint, table);
  const proxy = await HttpProxy.start(dynalite.endpoint);
  const start = () =>
    startGateway(connect(proxy.url, table), { environment: { SPOKECAST_FEED_POLL_MS: '50' } });
  return {
    publisher,
    proxy,
    start,
    async [Symbol.asyncDispose]() {
      await publisher[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe('a gateway over a real store', () => {
  test('[law 6] authenticates, hears of changes within a second, and forwards', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => outgoing.end(incoming.url));
    await using region = await world();
    await initialise(region.publisher);
    await using gateway = await region.start();
    await vi.waitFor(() => expect(gateway.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
    const demo = newDemo();
    expect((await gateway.authenticate(demo.secret)).status).toBe(401);
    const within = { timeout: 30_000, interval: 10 };
    await publish(region.publisher, ...allOf(demo, 1, { upstreamUrl: upstream.url }));
    await vi.waitFor(async () => expect((await gateway.authenticate(demo.secret)).status).toBe(200), within);
    const url = `${gateway.url}/v1/clusters/${demo.clusterId}/topics?x=1`;
    expect((await send(url, { headers: { authorization: `Bearer ${demo.secret}` } })).text).toBe(
      '/topics?x=1',
    );
    await publish(region.publisher, tenantContext(demo, 2, { status: 'suspended' }));
    await vi.waitFor(async () => expect((await gateway.authenticate(demo.secret)).status).toBe(403), within);
    await publish(region.publisher, tenantContext(demo, 3));
    await vi.waitFor(async () => expect((await gateway.authenticate(demo.secret)).status).toBe(200), within);
    await publish(region.publisher, gone('agent-key', demo.keyId, 4));
    await vi.waitFor(async () => expect((await gateway.authenticate(demo.secret)).status).toBe(401), within);
  });

  test('[law 7] goes on while the store is down, and catches up when it is back', async () => {
    await using region = await world();
    await initialise(region.publisher);
    await using gateway = await region.start();
    await vi.waitFor(() => expect(gateway.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
    const [kept, revoked, unasked] = [newDemo(), newDemo(), newDemo()];
    for (const demo of [kept, revoked, unasked]) await publish(region.publisher, ...allOf(demo, 1));
    for (const demo of [kept, revoked]) expect((await gateway.authenticate(demo.secret)).status).toBe(200);

    const outage = region.proxy.drop();
    await publish(region.publisher, gone('agent-key', revoked.keyId, 2));
    await vi.waitFor(async () => {
      const ready = await fetch(`${gateway.url}/readyz`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toMatchObject({ status: 'degraded' });
    });
    for (const demo of [kept, revoked]) expect((await gateway.authenticate(demo.secret)).status).toBe(200);
    expect((await gateway.authenticate(unasked.secret)).status).toBe(503);
    expect(outage.wasHit()).toBe(true);

    outage.end();
    const soon = { timeout: 30_000, interval: 20 };
    await vi.waitFor(async () => expect((await gateway.authenticate(revoked.secret)).status).toBe(401), soon);
    await vi.waitFor(async () => expect((await gateway.authenticate(unasked.secret)).status).toBe(200), soon);
    await vi.waitFor(() => expect(gateway.gateway.readiness().status).toBe('ready'), soon);
  });

  test('[law 5] starts while the store is down, says so, and serves once it is there', async () => {
    await using region = await world();
    const outage = region.proxy.drop();
    await using gateway = await region.start();
    const demo = newDemo();
    expect((await gateway.authenticate(demo.secret)).status).toBe(503);
    const ready = await fetch(`${gateway.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { status: 'not-ready', reasons: [expect.any(String)] },
    ]);
    await initialise(region.publisher);
    await publish(region.publisher, ...allOf(demo, 1));
    outage.end();
    await vi.waitFor(async () => expect((await gateway.authenticate(demo.secret)).status).toBe(200), {
      timeout: 30_000,
    });
  });

  test('reads hundreds of keys that nobody asked for before, in few batches', async () => {
    await using region = await world();
    await initialise(region.publisher);
    const shared = newDemo();
    await publish(region.publisher, ...allOf(shared, 1));
    const demos = Array.from({ length: 300 }, () => ({
      ...newDemo(),
      tenantId: shared.tenantId,
      clusterId: shared.clusterId,
    }));
    for (const some of chunked(demos, 20)) {
      await Promise.all(some.map((demo) => region.publisher.put(keyContext(demo, 1))));
    }
    await using gateway = await region.start();
    await vi.waitFor(() => expect(gateway.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
    const decisions = await Promise.all(
      demos.map(({ secret }) =>
        gateway.gateway.authenticator.authenticate({
          authorization: `Bearer ${secret}`,
          agentKey: undefined,
          clusterId: undefined,
        }),
      ),
    );
    expect(decisions.map(({ outcome }) => outcome)).toEqual(demos.map(() => 'granted'));
    expect(region.proxy.count('BatchGetItem')).toBeLessThanOrEqual(6);
  });
});
