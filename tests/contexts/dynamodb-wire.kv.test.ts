import { createHmac, hash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { limits } from '../../contexts/limits.ts';
import { shardOf } from '../../contexts/shards.ts';
import type { Store, Stray } from '../../contexts/store.ts';
import { type DynamoOptions, DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { contextItem, feedSortKey } from '../../contexts/stores/dynamodb-items.ts';
import { type Dynalite, startDynalite } from '../support/dynalite.ts';
import { HttpProxy, type ProxyAnswer, type ProxyRequest } from '../support/http-proxy.ts';
import { RawDynamo, type RawItem } from '../support/raw-dynamo.ts';
import { tenantEnvelope, tenantRef, tenantTombstone, versionText } from '../support/samples.ts';
import { announcement, collect, expectDense, gateway, owner } from './store-conformance.ts';

/**
 * What is particular to DynamoDB: how many requests an operation makes, and what becomes of it when the network
 * or the table does what networks and tables do. A proxy stands between the store and dynalite.
 */
let server: Dynalite;
let tables = 0;

beforeAll(async () => {
  server = await startDynalite();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('the DynamoDB store on the wire', () => {
  const shards = 4;
  let proxy: HttpProxy;
  let raw: RawDynamo;
  let store: Store;
  let opened: DynamoStore[];

  const open = (options: Partial<DynamoOptions> = {}): DynamoStore => {
    const common = { table: raw.table, clock: systemClock, random: systemRandom };
    const connected = DynamoStore.connect({ ...common, endpoint: proxy.url, ...options });
    opened.push(connected);
    return connected;
  };

  beforeEach(async () => {
    opened = [];
    proxy = await HttpProxy.start(server.endpoint);
    raw = new RawDynamo(server.endpoint, `wire-${++tables}`);
    store = open();
    await store.initialise(owner, { shards, newIncarnation: 'incarnation-1' });
    proxy.reset();
  });
  afterEach(async () => {
    for (const one of opened) await one[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const everyEntry = async () => (await store.readFeed(0, 1_000)).entries;

  describe('requests', () => {
    test('an ordinary put is one request, a read of a batch one or two', async () => {
      await store.put(tenantEnvelope('a', 1));
      expect(proxy.count()).toBe(1);
      proxy.reset();
      await store.read(Array.from({ length: 99 }, (_, i) => tenantRef(`key-${i}`)));
      expect([proxy.count('BatchGetItem'), proxy.count()]).toEqual([1, 1]);
      await store.read(Array.from({ length: limits.batchMax }, (_, i) => tenantRef(`key-${i}`)));
      expect([proxy.count('BatchGetItem'), proxy.count()]).toEqual([3, 3]);
    });

    test('a poll of the feed is one query, an announcement a put and a raise of the head', async () => {
      await store.announce([announcement('a', 1)], 1);
      proxy.reset();
      await store.announce([announcement('a', 2)], 1);
      expect([proxy.count('PutItem'), proxy.count('UpdateItem'), proxy.count()]).toEqual([1, 1, 2]);
      proxy.reset();
      await store.readFeed(1, 100);
      expect([proxy.count('Query'), proxy.count()]).toEqual([1, 1]);
    });

    test('announcements made together go into few entries', async () => {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => store.announce([announcement(`key-${i}`, 1)], 1)),
      );
      expect(proxy.count('PutItem')).toBe(2);
      const entries = await everyEntry();
      expect(entries.map((entry) => entry.announcements.length)).toEqual([1, 49]);
    });

    test('every read is consistent and every write of a context conditional [law 2]', async () => {
      await store.put(tenantEnvelope('a', 1));
      await store.put(tenantEnvelope('a', 1));
      await store.put(tenantTombstone('a', 2), { replacing: 'x' });
      await store.expire(tenantRef('a'), versionText(2));
      await store.read([tenantRef('a')]);
      await store.readIdentity();
      await store.readFeed(0, 10);
      await collect(store.scan('tenant'));
      const reads = proxy.requests.filter(({ operation }) => /^(Get|Query|BatchGet)/.test(operation));
      expect(reads.length).toBeGreaterThan(6);
      for (const request of reads) {
        const input = request.json();
        expect(input.ConsistentRead ?? input.RequestItems[raw.table].ConsistentRead, request.operation).toBe(
          true,
        );
      }
      const writes = proxy.requests.filter(({ operation }) => /^(Put|Delete|Update)/.test(operation));
      expect(writes).toHaveLength(4);
      for (const request of writes)
        expect(request.json().ConditionExpression, request.operation).toBeTruthy();
    });

    test('where the table tells what stood in the way, nothing is asked again', async () => {
      const envelope = tenantEnvelope('a', 1);
      await store.put(envelope);
      proxy.reset();
      const told = proxy.use({ operation: 'PutItem' }, async (request, forward) => {
        expect(request.json().ReturnValuesOnConditionCheckFailure).toBe('ALL_OLD');
        const answer = await forward();
        return rewritten(answer, (json) => ({ ...json, Item: contextItem(envelope, shards) }));
      });
      expect(await store.put(envelope)).toBe('duplicate');
      expect(await store.put(tenantEnvelope('a', 1, { name: 'other' }))).toBe('superseded');
      expect([told.hits, proxy.count('PutItem'), proxy.count()]).toEqual([2, 2, 2]);
      told.end();
      expect(await store.put(envelope)).toBe('duplicate'); // dynalite does not tell: it takes a read
      expect(proxy.count('GetItem')).toBe(1);
    });
  });

  describe('partial answers', () => {
    test('keys left out of a batch are asked for again, and the identity with them', async () => {
      const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
      for (const key of keys) await store.put(tenantEnvelope(key, 1));
      const partial = proxy.use({ operation: 'BatchGetItem', times: 3 }, async (request, forward) => {
        const { RequestItems } = request.json();
        const { Keys, ...rest } = RequestItems[raw.table];
        const half = Math.ceil(Keys.length / 2);
        const body = Buffer.from(
          JSON.stringify({ RequestItems: { [raw.table]: { ...rest, Keys: Keys.slice(0, half) } } }),
        );
        return rewritten(await forward({ body }), (json) => ({
          ...json,
          UnprocessedKeys: { [raw.table]: { ...rest, Keys: Keys.slice(half) } },
        }));
      });
      const read = await store.read(keys.map(tenantRef));
      expect(partial.hits).toBe(3);
      expect(read.items.size).toBe(30);
      expect(read.identity).toMatchObject({ incarnation: 'incarnation-1' });
    });

    test('the identity is not older than an absence that it vouches for', async () => {
      await store.setWhole('incarnation-1', true);
      const partial = proxy.use({ operation: 'BatchGetItem', times: 1 }, async (request, forward) => {
        const { RequestItems } = request.json();
        const { Keys, ...rest } = RequestItems[raw.table];
        const [identity, others] = [Keys.slice(-1), Keys.slice(0, -1)];
        expect(identity[0].pk.S).toBe('meta');
        const body = Buffer.from(
          JSON.stringify({ RequestItems: { [raw.table]: { ...rest, Keys: identity } } }),
        );
        const answer = await forward({ body });
        await store.setWhole('incarnation-1', false); // between the identity and the rest
        return rewritten(answer, (json) => ({
          ...json,
          UnprocessedKeys: { [raw.table]: { ...rest, Keys: others } },
        }));
      });
      const read = await store.read([tenantRef('absent')]);
      expect(partial.wasHit()).toBe(true);
      expect(read.identity?.whole).toBe(false);
    });

    test('[law 8] a batch that never gets through is throttled, after a bounded number of attempts', async () => {
      const nothing = proxy.use({ operation: 'BatchGetItem' }, async (request) => {
        const body = JSON.stringify({ Responses: {}, UnprocessedKeys: request.json().RequestItems });
        return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body };
      });
      await expect(store.read([tenantRef('a')])).rejects.toMatchObject({
        code: 'STORE_THROTTLED',
        retry: true,
      });
      expect(nothing.hits).toBe(8);
    });

    test('deletes left out of a batch are made again', async () => {
      for (let i = 1; i <= 60; i++) await store.announce([announcement('a', i)], i);
      const partial = proxy.use({ operation: 'BatchWriteItem', times: 2 }, async (request, forward) => {
        const requests = request.json().RequestItems[raw.table];
        const body = Buffer.from(JSON.stringify({ RequestItems: { [raw.table]: requests.slice(0, 10) } }));
        return rewritten(await forward({ body }), (json) => ({
          ...json,
          UnprocessedItems: { [raw.table]: requests.slice(10) },
        }));
      });
      expect(await store.trimFeed(51)).toBe(50);
      expect(partial.hits).toBe(2);
      expect((await everyEntry()).map((entry) => entry.number)).toEqual(
        Array.from({ length: 10 }, (_, i) => 51 + i),
      );
    });
  });

  describe('faults', () => {
    test.each([
      ['ProvisionedThroughputExceededException', 400, 'STORE_THROTTLED', true],
      ['ThrottlingException', 400, 'STORE_THROTTLED', true],
      ['InternalServerError', 500, 'STORE_UNAVAILABLE', true],
      ['ServiceUnavailable', 503, 'STORE_UNAVAILABLE', true],
      ['AccessDeniedException', 400, 'STORE_REFUSED', false],
      ['UnrecognizedClientException', 400, 'STORE_REFUSED', false],
      ['ValidationException', 400, 'STORE_REFUSED', false],
      ['ResourceNotFoundException', 400, 'STORE_NOT_INITIALISED', true],
    ])('%s (%i) is %s', async (name, status, code, retry) => {
      const failing = proxy.fail({ operation: 'PutItem' }, name, status);
      await expect(store.put(tenantEnvelope('a', 1))).rejects.toMatchObject({ code, retry });
      expect(failing.hits).toBe(code === 'STORE_THROTTLED' || code === 'STORE_UNAVAILABLE' ? 2 : 1);
      failing.end();
      expect(await store.put(tenantEnvelope('a', 1))).toBe('written');
    });

    test('throttled once, the SDK tries again and nobody notices', async () => {
      const failing = proxy.fail(
        { operation: ['PutItem', 'BatchGetItem'], times: 1 },
        'ProvisionedThroughputExceededException',
      );
      expect(await store.put(tenantEnvelope('a', 1))).toBe('written');
      expect(failing.wasHit()).toBe(true);
    });

    test('a connection that is cut, or refused, is a store that is unavailable', async () => {
      const cut = proxy.drop();
      await expect(store.read([tenantRef('a')])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(cut.wasHit()).toBe(true);
      const nobody = open({ endpoint: 'http://127.0.0.1:1' });
      await expect(nobody.readIdentity()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });

    test('[law 8] a store that does not answer costs its time limit, not more', async () => {
      const patient = open({ requestTimeoutMs: 500, attemptsMax: 1 });
      await patient.readIdentity();
      const held = proxy.hold({ operation: 'PutItem' });
      const startedAt = performance.now();
      await expect(patient.put(tenantEnvelope('a', 1))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(performance.now() - startedAt).toBeLessThan(30_000);
      held.gate.open();
    });

    test('no credential in an error', async () => {
      const secret = 'a-secret-access-key-of-somebody';
      const handle = open({ credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: secret } });
      proxy.fail({}, 'AccessDeniedException');
      const error = await handle.readIdentity().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const { message, stack, cause } = error as Error;
      expect(message).toContain('AccessDeniedException');
      expect([message, stack, JSON.stringify(cause)].join()).not.toContain(secret);
    });
  });

  describe('polls', () => {
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a-secret-access-key' };
    /** The SDK numbers its attempts; what went past it has no such number. */
    const ways = () =>
      proxy.requests
        .filter(({ operation }) => operation === 'Query')
        .map(({ headers }) => (headers['amz-sdk-request'] ? 'sdk' : 'short'));

    test('after one that the SDK sent go past it, see what is new, and are signed as they should be', async () => {
      const handle = open({ credentials });
      for (let after = 0; after < 3; after++) {
        await store.announce([announcement('a', after + 1)], 1);
        for (const _twice of [1, 2])
          expect((await handle.readFeed(after, 10)).entries.map(({ number }) => number)).toEqual([after + 1]);
      }
      expect(ways()).toEqual(['sdk', 'short', 'short', 'short', 'short', 'short']);
      for (const request of proxy.requests.filter(({ operation }) => operation === 'Query'))
        expect(signedBy(credentials, request), request.body.toString()).toBe(request.headers.authorization);
    });

    let laterMs = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + laterMs };

    test('are asked of the SDK once more a minute, which may have learnt of other credentials', async () => {
      const handle = open({ clock });
      const poll = () => handle.readFeed(0, 10);
      await poll();
      await poll();
      laterMs += 60_001;
      await poll();
      await poll();
      expect(ways()).toEqual(['sdk', 'short', 'sdk', 'short']);
    });

    test.each([
      ['cut', () => proxy.drop({ operation: 'Query', times: 1 })],
      ['throttled', () => proxy.fail({ operation: 'Query', times: 1 }, 'ThrottlingException')],
      ['down', () => proxy.fail({ operation: 'Query', times: 1 }, 'InternalServerError', 500)],
      [
        'nonsense',
        () => proxy.use({ operation: 'Query', times: 1 }, async () => ({ status: 200, body: '<' })),
      ],
    ])('that fail once (%s) are asked of the SDK for a while, and nobody notices', async (_what, begin) => {
      const handle = open({ clock });
      const poll = async () => expect((await handle.readFeed(0, 10)).head).toMatchObject({ number: 0 });
      await poll();
      const hazard = begin();
      await poll();
      expect(hazard.wasHit()).toBe(true);
      await poll();
      laterMs += 5_001;
      await poll();
      expect(ways()).toEqual(['sdk', 'short', 'sdk', 'sdk', 'short']);
    });

    test('that are refused say why, as the SDK does', async () => {
      await store.readFeed(0, 10);
      proxy.fail({ operation: 'Query' }, 'AccessDeniedException');
      await expect(store.readFeed(0, 10)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    });

    test('[law 8] that are not answered fail after their time limit, and are not sent again', async () => {
      const patient = open({ requestTimeoutMs: 500 });
      await patient.readFeed(0, 10);
      const held = proxy.hold({ operation: 'Query' });
      await expect(patient.readFeed(0, 10)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(held.hits).toBe(1);
      held.gate.open();
      expect((await patient.readFeed(0, 10)).head).toMatchObject({ number: 0 });
    });
  });

  describe('lost answers and late bytes', () => {
    test('[law 2] a put that was done and whose answer was lost is a duplicate when done again', async () => {
      const lost = proxy.loseAnswer({ operation: 'PutItem', times: 1 });
      expect(await store.put(tenantEnvelope('a', 1))).toBe('duplicate'); // the SDK's second attempt
      expect(lost.wasHit()).toBe(true);
    });

    test('[law 2] the bytes of an older put, delivered late, change nothing', async () => {
      const impatient = open({ requestTimeoutMs: 500, attemptsMax: 1 });
      await impatient.readIdentity();
      const held = proxy.hold({ operation: 'PutItem', times: 1 });
      await expect(impatient.put(tenantEnvelope('a', 1))).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      });
      await held.gate.reached();
      expect(await store.put(tenantEnvelope('a', 2))).toBe('written');
      held.gate.open();
      await expect.poll(() => held.finished).toBe(1);
      const read = await store.read([tenantRef('a')]);
      expect(read.items.get('tenant/a')).toMatchObject({ envelope: tenantEnvelope('a', 2) });
    });

    test('an entry whose answer was lost leaves no gap', async () => {
      await store.announce([announcement('a', 1)], 1);
      const lost = proxy.loseAnswer({ operation: 'PutItem', times: 1 });
      await store.announce([announcement('b', 2)], 2);
      expect(lost.wasHit()).toBe(true);
      await store.announce([announcement('c', 3)], 3);
      const entries = await everyEntry();
      expectDense(entries, 1);
      const keys = entries.flatMap((entry) => entry.announcements.map((one) => one.key));
      expect([...new Set(keys)]).toEqual(['a', 'b', 'c']);
    });

    test('an announcer that died before it raised the head has announced, and the next goes on behind', async () => {
      const dying = open({ attemptsMax: 1 });
      const failing = proxy.fail({ operation: 'UpdateItem', times: 1 }, 'InternalServerError', 500);
      await expect(dying.announce([announcement('a', 1)], 1)).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      });
      expect(failing.wasHit()).toBe(true);
      const page = await store.readFeed(0, 10);
      expect(page.entries.map((entry) => entry.number)).toEqual([1]);
      expect(page.head?.number).toBe(0);
      expect(await store.announce([announcement('b', 2)], 2)).toBe(2);
      expect((await store.readFeed(0, 10)).head?.number).toBe(2);
    });

    test('a head far behind its entries is made up for', async () => {
      for (let i = 1; i <= 60; i++) await store.announce([announcement('a', i)], i);
      const head = await raw.get('feed', 'head');
      await raw.put({ ...head, n: { N: '0' } });
      const other = open();
      expect(await other.announce([announcement('b', 1)], 61)).toBe(61);
      expectDense(await everyEntry(), 1);
      expect((await store.readFeedHead()).number).toBe(61);
    });

    test('an entry delivered late, below what was trimmed, is announced again at the end', async () => {
      await store.announce([announcement('a', 1)], 1);
      const held = proxy.hold({
        operation: 'PutItem',
        where: ({ body }) => body.includes('late'),
        times: 1,
      });
      const late = store.announce([announcement('late', 1)], 1);
      await held.gate.reached();
      const other = open();
      for (let i = 2; i <= 5; i++) await other.announce([announcement('b', i)], 1);
      expect(await other.trimFeed(100)).toBe(4);
      held.gate.open();
      expect(await late).toBe(6);
      const { entries } = await store.readFeed(5, 10);
      expect(entries.flatMap((entry) => entry.announcements.map((one) => one.key))).toEqual(['late']);
    });

    test('an entry of an older feed is taken out again, and not shown where it cannot be', async () => {
      for (let i = 1; i <= 5; i++) await store.announce([announcement('a', i)], 1);
      await raw.dropTable();
      const other = open();
      await other.initialise(owner, { shards, newIncarnation: 'incarnation-2' });
      const held = proxy.hold({ operation: 'UpdateItem', times: 1 });
      const announced = store.announce([announcement('late', 1)], 1);
      await held.gate.reached();
      expect(await raw.get('feed', feedSortKey(6))).toBeDefined();
      expect((await other.readFeed(0, 10)).entries).toEqual([]);
      held.gate.open();
      expect(await announced).toBe(1);
      expect(await raw.get('feed', feedSortKey(6))).toBeUndefined();
    });

    test('a gateway that reports while its old status is being removed stays', async () => {
      await store.reportGateway(gateway('g-1', { expiresAtMs: 1_000 }));
      const held = proxy.hold({ operation: 'DeleteItem', times: 1 });
      const trimmed = store.trimGateways(2_000);
      await held.gate.reached();
      await store.reportGateway(gateway('g-1', { expiresAtMs: 9_000 }));
      held.gate.open();
      expect(await trimmed).toBe(0);
      expect(await store.listGateways(2_000)).toHaveLength(1);
    });

    test('while the table does not answer, all that waits to be announced fails, and then all goes on', async () => {
      const impatient = open({ requestTimeoutMs: 500, attemptsMax: 1 });
      await impatient.announce([announcement('a', 1)], 1);
      const cut = proxy.drop();
      const announced = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => impatient.announce([announcement(`key-${i}`, 1)], 1)),
      );
      expect(announced.every((one) => one.status === 'rejected')).toBe(true);
      cut.end();
      expect(await impatient.announce([announcement('b', 1)], 1)).toBe(2);
    });
  });

  describe('what else may lie in the table', () => {
    test('items that no reference can name are seen by nobody, told of by a scan, and can be removed', async () => {
      await store.put(tenantEnvelope('a', 1));
      const envelope = tenantEnvelope('misplaced', 1);
      const elsewhere = (shardOf('misplaced', shards) + 1) % shards;
      const item = contextItem(envelope, shards) as RawItem;
      await raw.put({ ...item, pk: { S: `tenant#${elsewhere}` } });
      await raw.put({ ...item, sk: { S: 'UPPER' } });
      await raw.put({ ...item, pk: { S: 'unknown-kind#0' } });
      const strays: Stray[] = [];
      const onStray = (stray: Stray) => strays.push(stray);
      expect((await collect(store.scan('tenant', { onStray }))).map((one) => one.key)).toEqual(['a']);
      expect(strays.map(({ key }) => key).sort()).toEqual(['UPPER', 'misplaced']);
      expect((await store.read([tenantRef('misplaced')])).items.size).toBe(0);
      for (const stray of strays.splice(0)) await store.discard(stray);
      await collect(store.scan('tenant', { onStray }));
      expect(strays).toEqual([]);
      expect((await collect(store.scan('tenant'))).map((one) => one.key)).toEqual(['a']);
      expect(await store.put(tenantEnvelope('misplaced', 1))).toBe('written');
    });

    test('attributes of the wrong type make a context corrupt, not an error', async () => {
      await store.put(tenantEnvelope('a', 1));
      const item = await raw.context(tenantRef('a'));
      for (const change of [
        { b: { N: '1' } },
        { h: { BOOL: true } },
        { v: { L: [] } },
        { v: { NULL: true } },
        { b: { M: {} } },
      ] as RawItem[]) {
        await raw.put({ ...item, ...change } as RawItem);
        const [found] = await collect(store.scan('tenant'));
        expect(found, JSON.stringify(change)).toMatchObject({ state: 'corrupt', key: 'a' });
        expect(await store.put(tenantEnvelope('a', 2)), JSON.stringify(change)).toBe('written');
      }
    });

    test('an identity that cannot be read is foreign: nothing is answered and nothing written', async () => {
      const identity = await raw.get('meta', 'identity');
      await raw.put({ ...identity, shards: { S: 'many' } });
      const handle = open();
      for (const operation of [
        () => handle.readIdentity(),
        () => handle.read([tenantRef('a')]),
        () => handle.put(tenantEnvelope('a', 1)),
        () => handle.initialise(owner, { shards, newIncarnation: 'incarnation-2' }),
      ]) {
        await expect(operation()).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
      }
    });

    test('an entry that does not decode is a number missing; unknown kinds in one are left out', async () => {
      for (let i = 1; i <= 3; i++) await store.announce([announcement('a', i)], i);
      const entry = await raw.get('feed', feedSortKey(2));
      await raw.put({ ...entry, a: { S: 'not json' } });
      expect((await everyEntry()).map((one) => one.number)).toEqual([1, 3]);
      const tuples = [
        ['flag-set', 'b', versionText(1), 0],
        ['tenant', 'c', versionText(1), 1, 'and more'],
      ];
      await raw.put({ ...entry, a: { S: JSON.stringify(tuples) } });
      expect((await everyEntry())[1]).toEqual({
        number: 2,
        atMs: 2,
        announcements: [{ ...announcement('c', 1), tombstone: true }],
      });
    });

    test('a head that was edited into nonsense is a lost head', async () => {
      for (let i = 1; i <= 3; i++) await store.announce([announcement('a', i)], i);
      const head = await raw.get('feed', 'head');
      for (const change of [{ n: { S: 'three' } }, { inc: { N: '1' } }, { f: { N: '99' } }] as RawItem[]) {
        await raw.put({ ...head, ...change } as RawItem);
        const before = (await everyEntry()).length;
        expect(await open().announce([announcement('b', 1)], 9)).toBe(before + 1);
        expectDense(await everyEntry(), 1);
      }
    });
  });

  describe('a scan of many', () => {
    const count = 900;
    const scanPageItems = 800;
    const keyOf = (i: number) => `key-${String(i).padStart(5, '0')}`;

    let many: Store;
    beforeEach(async () => {
      many = open({ scanPageItems });
      for (let start = 0; start < count; start += 25) {
        const requests = Array.from({ length: 25 }, (_, i) => ({
          PutRequest: { Item: contextItem(tenantEnvelope(keyOf(start + i), 1), shards) },
        }));
        await raw.call('BatchWriteItem', { TableName: undefined, RequestItems: { [raw.table]: requests } });
      }
      proxy.reset();
    });

    test('comes in order through several pages of every partition', async () => {
      const keys = (await collect(many.scan('tenant'))).map((item) => item.key);
      expect(keys).toEqual(Array.from({ length: count }, (_, i) => keyOf(i)));
      expect(proxy.count('Query')).toBeGreaterThanOrEqual(2 * shards);
    });

    test('a range reads only the range', async () => {
      const range = { after: keyOf(99), upTo: keyOf(199) };
      const keys = (await collect(many.scan('tenant', range))).map((item) => item.key);
      expect(keys).toEqual(Array.from({ length: 100 }, (_, i) => keyOf(100 + i)));
      expect(proxy.count('Query')).toBe(shards);
    });

    test('[law 8] a caller that stops early has made two requests a partition at the most', async () => {
      for await (const _item of many.scan('tenant')) break;
      expect(proxy.count('Query')).toBeLessThanOrEqual(2 * shards);
    });

    test('a page that fails makes the scan fail', async () => {
      const failing = proxy.fail(
        { operation: 'Query', where: (request) => request.json().ExclusiveStartKey },
        'AccessDeniedException',
      );
      await expect(collect(many.scan('tenant'))).rejects.toMatchObject({ code: 'STORE_REFUSED' });
      expect(failing.wasHit()).toBe(true);
    });
  });
});

/** What the request's `authorization` is to be by AWS's Signature Version 4, told from what was received. */
function signedBy(
  { accessKeyId, secretAccessKey }: { accessKeyId: string; secretAccessKey: string },
  { headers, body }: ProxyRequest,
): string {
  const [, scope = '', names = ''] =
    /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+)/.exec(String(headers.authorization)) ?? [];
  const lines = names.split(';').map((name) => `${name}:${headers[name]}`);
  const canonical = ['POST', '/', '', ...lines, '', names, hash('sha256', body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash('sha256', canonical)].join('\n');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const signature = hmac(scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`), toSign);
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature.toString('hex')}`;
}

// biome-ignore lint/suspicious/noExplicitAny: DynamoDB's JSON
function rewritten(answer: ProxyAnswer, change: (json: any) => object): ProxyAnswer {
  return { ...answer, body: JSON.stringify(change(JSON.parse(answer.body.toString()))) };
}
