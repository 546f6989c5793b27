import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { seal } from '../../contexts/envelope.ts';
import { limits } from '../../contexts/limits.ts';
import { verifierOf } from '../../contexts/secrets.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { contextItem } from '../../contexts/stores/dynamodb-items.ts';
import { handedRowsMax } from '../../publisher/relay.ts';
import type { RawItem } from '../support/raw-dynamo.ts';
import { HubAndSpokes, type StartOptions, until } from './support/hub-and-spokes.ts';
import { derivedByHand, heldLive } from './support/independent.ts';

const [east, west] = ['us-east-1', 'eu-west-1'] as const;

/** The laws end to end on real parts, for one queue backend. */
export function describeReplication(backend: string, options: () => Promise<StartOptions>): void {
  describe(`replication with queues in ${backend}`, () => {
    let wheel: HubAndSpokes;
    beforeAll(async () => {
      wheel = await HubAndSpokes.start({ regions: [east, west], ...(await options()) });
    });
    afterAll(() => wheel[Symbol.asyncDispose]());

    const expectConverged = async () => {
      for (const [id, { store }] of wheel.spokes) {
        expect(await heldLive(store), id).toEqual(await derivedByHand(wheel.sql, id));
      }
    };

    test('[law 6] a new key works where its cluster is placed, and only there, also when asked for before it existed', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const key = wheel.mintKey();
      expect(await wheel.ask(west, key.secret)).toBe(401);
      expect(await wheel.ask(east, key.secret)).toBe(401);
      await wheel.insertKey(clusterId, key);
      await wheel.becomes(west, key.secret, 200);
      expect(await wheel.ask(east, key.secret)).toBe(401);
      await wheel.sql`insert into placements (cluster_id, region) values (${clusterId}, ${east})`;
      await wheel.becomes(east, key.secret, 200);
    });

    test('[law 1] [law 6] a plain SQL update or delete reaches the gateways', async () => {
      const { tenantId, clusterId } = await wheel.newCluster([west, east]);
      const key = await wheel.newKey(clusterId);
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 200);
      await wheel.sql`update tenants set status = 'suspended' where id = ${tenantId}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 403);
      await wheel.sql`update tenants set status = 'active' where id = ${tenantId}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 200);
      await wheel.sql`update agent_keys set status = 'disabled' where id = ${key.id}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 403);
      await wheel.sql`update agent_keys set status = 'active' where id = ${key.id}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 200);
      await wheel.sql`delete from agent_keys where id = ${key.id}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 401);
    });

    for (const order of ['key first', 'placement first'] as const) {
      test(`[law 1] a key inserted while another transaction places its cluster reaches the new region, ${order}`, async () => {
        const { clusterId } = await wheel.newCluster([west]);
        const key = wheel.mintKey();
        const [a, b] = [await wheel.sql.reserve(), await wheel.sql.reserve()];
        try {
          await a`begin`;
          await b`begin`;
          await wheel.insertKey(clusterId, key, a as never);
          await b`insert into placements (cluster_id, region) values (${clusterId}, ${east})`;
          const [first, second] = order === 'key first' ? [a, b] : [b, a];
          await first`commit`;
          await wheel.idle(); // the first commit is relayed to the end before the second
          await second`commit`;
        } finally {
          a.release();
          b.release();
        }
        for (const region of [west, east]) await wheel.becomes(region, key.secret, 200);
      });
    }

    test('[law 6] a placement that is added brings the cluster and its 100 keys, and one that is removed takes them', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const keys = Array.from({ length: 100 }, () => wheel.mintKey());
      await wheel.sql.begin(async (sql) => {
        for (const key of keys) await wheel.insertKey(clusterId, key, sql);
      });
      await wheel.becomes(west, keys[99]!.secret, 200);
      for (const key of keys) expect(await wheel.ask(east, key.secret)).toBe(401);
      await wheel.sql.begin(async (sql) => {
        await sql`insert into placements (cluster_id, region) values (${clusterId}, ${east})`;
        await sql`delete from placements where cluster_id = ${clusterId} and region = ${west}`;
      });
      for (const key of keys) await wheel.becomes(east, key.secret, 200);
      for (const key of keys) await wheel.becomes(west, key.secret, 401);
      await wheel.idle();
      await expectConverged();
    });

    test('a cluster that moves is made before it is broken, and nothing of it dangles where it arrives', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const keys = await Promise.all([1, 2, 3].map(() => wheel.newKey(clusterId)));
      for (const key of keys) {
        await wheel.becomes(west, key.secret, 200);
        expect(await wheel.ask(east, key.secret)).toBe(401);
      }
      const moved = wheel.sql.begin(async (sql) => {
        await sql`insert into placements (cluster_id, region) values (${clusterId}, ${east})`;
        await sql`delete from placements where cluster_id = ${clusterId} and region = ${west}`;
      });
      for (const key of keys) {
        // Never 503 in the new region, and at no time refused in both: the old one is asked first.
        for (;;) {
          const [inOld, inNew] = [await wheel.ask(west, key.secret), await wheel.ask(east, key.secret)];
          expect([200, 401]).toContain(inNew);
          if (inOld !== 200) {
            expect([inOld, inNew]).toEqual([401, 200]);
            break;
          }
        }
      }
      await moved;
    });

    test('[law 3] what is deleted with everything below it vanishes everywhere', async () => {
      const { tenantId, clusterId } = await wheel.newCluster([west, east]);
      const key = await wheel.newKey(clusterId);
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 200);
      await wheel.sql`delete from tenants where id = ${tenantId}`;
      for (const region of [west, east]) await wheel.becomes(region, key.secret, 401);
      await wheel.idle();
      await expectConverged();
    });

    test('[law 4] [law 7] a store that is gone delays no other region, its gateway goes on, and it converges when it is back', async () => {
      const { tenantId, clusterId } = await wheel.newCluster([west, east]);
      const [kept, revoked] = [await wheel.newKey(clusterId), await wheel.newKey(clusterId)];
      for (const region of [west, east])
        for (const key of [kept, revoked]) await wheel.becomes(region, key.secret, 200);
      const { proxy, gatewayProxy, gateways } = wheel.spoke(west);
      const outages = [proxy.drop(), gatewayProxy.drop()];
      try {
        await wheel.sql`delete from agent_keys where id = ${revoked.id}`;
        await wheel.becomes(east, revoked.secret, 401);
        const late = await wheel.newKey(clusterId);
        await wheel.becomes(east, late.secret, 200);
        await until(
          async () =>
            ((await (await fetch(`${gateways[0]!.url}/readyz`)).json()) as { status: string }).status ===
            'degraded',
          'it says it is degraded',
        );
        expect((await fetch(`${gateways[0]!.url}/readyz`)).status).toBe(200);
        expect(await wheel.ask(west, kept.secret)).toBe(200);
        expect(await wheel.ask(west, revoked.secret)).toBe(200); // it cannot know yet
        expect(await wheel.ask(west, late.secret)).toBe(503); // and it invents nothing
        expect(outages.every((outage) => outage.wasHit())).toBe(true);
        for (const outage of outages) outage.end();
        await wheel.becomes(west, revoked.secret, 401);
        await wheel.becomes(west, late.secret, 200);
      } finally {
        for (const outage of outages) outage.end();
      }
      await until(
        async () => wheel.publishers[0]!.regions.get(west)?.state === 'open',
        'the region is open again',
      );
      await wheel.idle();
      await expectConverged();
      await wheel.sql`delete from tenants where id = ${tenantId}`;
    });

    test('[law 4] a region that comes back is given its revocations before the backlog', async () => {
      const { clusterId } = await wheel.newCluster([west, east]);
      const keys: Key[] = [];
      for (let i = 0; i < 130; i++) keys.push(await wheel.newKey(clusterId));
      await wheel.idle();
      const { proxy } = wheel.spoke(west);
      const state = () => wheel.publishers[0]!.regions.get(west)!.state;
      const outage = proxy.drop();
      const [first, ...others] = keys;
      await wheel.sql`update agent_keys set permissions = '{first}' where id = ${first!.id}`;
      await until(async () => state() === 'behind', 'the region is behind');
      const revoked = others.filter((_, at) => at % 10 === 0).map(({ id }) => id);
      const widened = others.map(({ id }) => id).filter((id) => !revoked.includes(id));
      for (const id of widened)
        await wheel.sql`update agent_keys set permissions = '{more}' where id = ${id}`;
      await wheel.sql`update agent_keys set status = 'disabled' where id = any(${revoked.slice(0, 6)})`;
      await wheel.sql`delete from agent_keys where id = any(${revoked.slice(6)})`;
      await until(
        async () => (await wheel.sql`select from outbox`).length === 0,
        'the relay has seen that the region takes no jobs',
      );
      expect(state()).toBe('behind');
      proxy.reset();
      outage.end();
      await until(async () => state() === 'open', 'the region is open again');
      await wheel.idle();
      const put = proxy.requests
        .filter((request) => request.operation === 'PutItem')
        .map((request) => request.json().Item.sk.S as string);
      const lastRevoked = Math.max(...revoked.map((id) => put.indexOf(id)));
      const firstWidened = Math.min(...widened.map((id) => put.indexOf(id)));
      expect(revoked.every((id) => put.includes(id))).toBe(true);
      expect(widened.every((id) => put.includes(id))).toBe(true);
      expect(firstWidened).toBeGreaterThan(lastRevoked);
      await expectConverged();
    });

    test('[law 4] [law 6] what a publisher relays that is cut off from a region is revoked there by another', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const keys: Key[] = [];
      for (let i = 0; i < 5; i++) keys.push(await wheel.newKey(clusterId));
      for (const key of keys) await wheel.becomes(west, key.secret, 200);
      const cutOff = await wheel.addPublisher(
        { SPOKECAST_BREAKER_FAILURES: '1' },
        {
          openStore: ({ storeTable: table }) =>
            DynamoStore.connect({
              ...{ table, endpoint: 'http://127.0.0.1:9', requestTimeoutMs: 500 },
              ...{ clock: systemClock, random: systemRandom },
            }),
        },
      );
      try {
        await until(
          async () => cutOff.regions.get(west)?.state === 'behind',
          'the second publisher is cut off',
          30_000,
        );
        const relayed = async () => {
          const text = await (await cutOff.app.request('/metrics')).text();
          return Number(/^spokecast_relay_rows_total (\d+)/m.exec(text)?.[1] ?? 0);
        };
        // Alone it relays all there is, and can put none of it; then there is one that can.
        const before = await relayed();
        await wheel.removePublisher(wheel.publishers[0]!);
        await wheel.sql`delete from agent_keys where id in ${wheel.sql(keys.map(({ id }) => id))}`;
        await until(async () => (await relayed()) >= before + keys.length, 'it relays them', 60_000);
        for (const key of keys) expect(await wheel.ask(west, key.secret)).toBe(200);
        await wheel.addPublisher();
        for (const key of keys) await wheel.becomes(west, key.secret, 401);
      } finally {
        await wheel.removePublisher(cutOff);
      }
    });

    test('[law 3] one sweep mends whatever was lost or edited and counts it exactly; the next finds and writes nothing', async () => {
      await wheel.idle();
      const { proxy, raw, store } = wheel.spoke(west);
      const bodyWith = async (key: Key, changes: object) => {
        const item = (await store.read([agentKeyRef(key)])).items.get(`agent-key/${key.id}`);
        if (item?.state !== 'context' || item.envelope.bodyText === null) throw new Error('not there');
        return JSON.stringify({ ...JSON.parse(item.envelope.bodyText), ...changes });
      };
      const { clusterId, tenantId } = await wheel.newCluster([west]);
      const keys = [];
      for (let i = 0; i < 5; i++) keys.push(await wheel.newKey(clusterId));
      for (const key of keys) await wheel.becomes(west, key.secret, 200);
      const [unrelayed, edited, removed, deletedQuietly, kept] = keys as [Key, Key, Key, Key, Key];
      // Of more than so many the relay makes jobs, and hands nothing over.
      const unjobbed: Key[] = [];
      for (let i = 0; i <= handedRowsMax; i++) unjobbed.push(await wheel.newKey(clusterId));
      await wheel.idle();
      await wheel.sweep(west); // whatever is due for announcing again is behind us
      await wheel.idle();

      // Changes whose outbox rows are deleted in their own transaction: no relay ever sees them.
      await wheel.sql.begin(async (sql) => {
        await sql`update agent_keys set status = 'disabled' where id = ${unrelayed.id}`;
        await sql`delete from agent_keys where id = ${deletedQuietly.id}`;
        await sql`delete from outbox`;
      });
      // Changes that are relayed into a queue which is then obliterated before a worker takes the job.
      await using queue = await wheel.refreshQueue(west);
      await queue.pause();
      const theirIds = wheel.sql(unjobbed.map(({ id }) => id));
      await wheel.sql`update agent_keys set permissions = '{more}' where id in ${theirIds}`;
      await until(async () => (await queue.count()) > 0, 'the job is made');
      await queue.obliterate({ force: true });
      await queue.resume();

      // Behind the publisher's back: one item edited, one deleted, three inserted that the hub
      // never heard of.
      await raw.editContext(agentKeyRef(edited), {
        bodyText: await bodyWith(edited, { status: 'disabled' }),
      });
      await raw.deleteContext(agentKeyRef(removed));
      const ghost = wheel.mintKey();
      const body = {
        tenantId,
        clusterId,
        verifier: verifierOf(ghost.secret),
        status: 'active',
        expiresAtMs: null,
        permissions: [],
      };
      const sealed = seal({ ...agentKeyRef(ghost), epoch: 1, revision: 1, body, builtAtMs: 0 });
      if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
      await raw.put(contextItem(sealed.envelope, limits.shardsDefault) as RawItem);

      const copy = (await raw.context(agentKeyRef(kept)))!;
      await raw.put({ ...copy, sk: { S: wheel.mintKey().id } }); // under another's hash, perhaps in the wrong partition
      await raw.put({ ...copy, sk: { S: 'Not A Key' } });

      const counts = await wheel.sweep(west);
      const { missing, stale, corrupt, orphan, ahead } = counts;
      // stale: the change and the deletion without an outbox row, and the changes without a job.
      expect({ missing, stale, corrupt, orphan, ahead }).toEqual({
        missing: 1,
        stale: 2 + unjobbed.length,
        corrupt: 1,
        orphan: 3,
        ahead: 0,
      });
      await wheel.idle();
      await expectConverged();
      await wheel.becomes(west, unrelayed.secret, 403);
      for (const key of [...unjobbed, edited, removed, kept]) await wheel.becomes(west, key.secret, 200);
      for (const key of [deletedQuietly, ghost]) await wheel.becomes(west, key.secret, 401);

      proxy.reset();
      const again = await wheel.sweep(west);
      const found = again.missing + again.stale + again.corrupt + again.orphan + again.ahead + again.written;
      expect(found).toBe(0);
      expect(proxy.count('PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'TransactWriteItems')).toBe(
        0,
      );
      expect(proxy.count()).toBeGreaterThan(0);
    });

    test('[law 2] a put that is overtaken and delivered late changes nothing', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const key = await wheel.newKey(clusterId);
      await wheel.becomes(west, key.secret, 200);
      await wheel.idle();
      const second = await wheel.addPublisher();
      try {
        const { proxy, store } = wheel.spoke(west);
        const held = proxy.hold({
          operation: 'PutItem',
          times: 1,
          where: (request) => request.body.includes(key.id) && !request.body.includes('"feed"'),
        });
        await wheel.sql`update agent_keys set permissions = '{older}' where id = ${key.id}`;
        await held.gate.reached();
        await wheel.sql`update agent_keys set permissions = '{newer}' where id = ${key.id}`;
        const permissions = async () => {
          const item = (await store.read([{ kind: 'agent-key', key: key.id }])).items.get(
            `agent-key/${key.id}`,
          );
          return item?.state === 'context' ? JSON.parse(item.envelope.bodyText ?? 'null').permissions : item;
        };
        await until(
          async () => JSON.stringify(await permissions()) === '["newer"]',
          'the newer state is there',
        );
        held.gate.open();
        await wheel.idle();
        expect(await permissions()).toEqual(['newer']);
        expect(held.wasHit()).toBe(true);
      } finally {
        await wheel.removePublisher(second);
      }
    });

    test('[law 3] rows claimed by a publisher that froze are relayed by another when the lease is over', async () => {
      const { clusterId } = await wheel.newCluster([west]);
      const key = await wheel.newKey(clusterId);
      await wheel.becomes(west, key.secret, 200);
      await wheel.idle();
      // As a frozen relay leaves them: claimed, the claim committed, and nobody goes on.
      await wheel.sql.begin(async (sql) => {
        await sql`delete from agent_keys where id = ${key.id}`;
        await sql`update outbox set claimed_by = 'frozen', claimed_until = now() + interval '1.5 seconds'`;
      });
      await systemClock.sleep(300);
      expect(await wheel.ask(west, key.secret)).toBe(200);
      await wheel.becomes(west, key.secret, 401);
    });
  });
}

type Key = { id: string; secret: string };
const agentKeyRef = (key: Key) => ({ kind: 'agent-key', key: key.id }) as const;
