import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Envelope, StoredFields } from '../../contexts/envelope.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import type {
  Announcement,
  FeedEntry,
  GatewayStatus,
  Identity,
  KeyUses,
  Store,
  StoredItem,
} from '../../contexts/store.ts';
import { permutations, tenantEnvelope, tenantRef, tenantTombstone, versionText } from '../support/samples.ts';

/** One table, not yet created, and what a test can do to it. */
export interface StoreHarness extends AsyncDisposable {
  /** A handle on the table, as another process would have. Closed with the harness. */
  open(): Store;
  /** What people do behind the store's back. */
  editContext(ref: ContextRef, changes: Partial<StoredFields>): Promise<void>;
  deleteContext(ref: ContextRef): Promise<void>;
  dropFeedEntry(number: number): Promise<void>;
  dropFeedHead(): Promise<void>;
  dropIdentity(): Promise<void>;
  dropTable(): Promise<void>;
}

export const owner = { environment: 'test', region: 'eu-west-1', hubId: 'hub-1' };

/**
 * What {@link Store} promises, as tests. Every implementation passes all of them; what is particular to one (its
 * wire, its partial answers) is in that one's own file.
 */
export function describeStore(name: string, create: () => Promise<StoreHarness>): void {
  describe(name, () => {
    let harness: StoreHarness;
    let store: Store;
    let identity: Identity;

    const initialise = (handle: Store, newIncarnation = 'incarnation-1', shards = 4) =>
      handle.initialise(owner, { shards, newIncarnation });
    const stored = async (key: string): Promise<StoredItem | undefined> =>
      (await store.read([tenantRef(key)])).items.get(refText(tenantRef(key)));
    const storedEnvelope = async (key: string): Promise<Envelope | undefined> => {
      const item = await stored(key);
      return item?.state === 'context' ? item.envelope : undefined;
    };

    beforeEach(async () => {
      harness = await create();
      store = harness.open();
      identity = await initialise(store);
    });
    afterEach(() => harness[Symbol.asyncDispose]());

    describe('identity', () => {
      test('a new table is not whole and has no high-water mark', async () => {
        expect(identity).toEqual({
          ...owner,
          layoutVersion: 1,
          shards: 4,
          incarnation: 'incarnation-1',
          whole: false,
          highWater: null,
        });
        expect(await store.readIdentity()).toEqual({ outcome: 'identity', identity });
      });

      test('initialising again, or from elsewhere, changes nothing and gives the same', async () => {
        await store.setWhole('incarnation-1', true);
        const again = await initialise(harness.open(), 'incarnation-2', 16);
        expect(again).toEqual({ ...identity, whole: true });
      });

      test('many initialise at once: one wins, and all are told the same', async () => {
        await using fresh = await create();
        const identities = await Promise.all(
          Array.from({ length: 5 }, (_, index) =>
            initialise(fresh.open(), `incarnation-${index}`, 4 + index),
          ),
        );
        expect(new Set(identities.map((one) => JSON.stringify(one))).size).toBe(1);
        expect((await fresh.open().readFeedHead()).number).toBe(0);
      });

      test.each([
        ['environment', { ...owner, environment: 'production' }],
        ['region', { ...owner, region: 'us-east-1' }],
        ['hubId', { ...owner, hubId: 'hub-2' }],
      ])("refuses a table whose %s is another's", async (field, other) => {
        const refused = store.initialise(other, { shards: 4, newIncarnation: 'incarnation-2' });
        await expect(refused).rejects.toMatchObject({
          code: 'STORE_FOREIGN',
          retry: false,
          message: expect.stringContaining(field),
        });
        expect(await store.readIdentity()).toEqual({ outcome: 'identity', identity });
      });

      test('tells a missing table from a missing identity', async () => {
        await using fresh = await create();
        expect(await fresh.open().readIdentity()).toEqual({ outcome: 'no-table' });
        await harness.dropIdentity();
        expect(await store.readIdentity()).toEqual({ outcome: 'no-identity' });
      });

      test('without a table a read finds nothing and no identity, and everything else says why', async () => {
        await using fresh = await create();
        const handle = fresh.open();
        expect(await handle.read([tenantRef('a')])).toEqual({ items: new Map(), identity: undefined });
        const operations = [
          () => handle.put(tenantEnvelope('a', 1)),
          () => handle.expire(tenantRef('a'), versionText(1)),
          () => handle.announce([announcement('a', 1)], 1),
          () => handle.readFeed(0, 10),
          () => handle.readFeedHead(),
          () => handle.trimFeed(1),
          () => handle.raiseHighWater(versionText(1)),
          () => handle.setWhole('incarnation-1', true),
          () => handle.reportGateway(gateway('g-1')),
          () => handle.listGateways(0),
          () => handle.trimGateways(0),
          () => handle.reportKeyUses(keyUses(0, 1)),
          () => handle.listKeyUses(1),
          () => handle.removeKeyUses(keyUses(0, 1)),
          () => collect(handle.scan('tenant')),
        ];
        for (const operation of operations) {
          await expect(operation(), String(operation)).rejects.toMatchObject({
            code: 'STORE_NOT_INITIALISED',
          });
        }
      });

      test('without an identity nothing is written, and no absence is vouched for', async () => {
        await store.put(tenantEnvelope('a', 1));
        await harness.dropIdentity();
        const handle = harness.open();
        expect(await handle.read([tenantRef('a')])).toEqual({ items: new Map(), identity: undefined });
        await expect(handle.put(tenantEnvelope('a', 2))).rejects.toMatchObject({
          code: 'STORE_NOT_INITIALISED',
        });
        await expect(handle.raiseHighWater(versionText(1))).rejects.toMatchObject({
          code: 'STORE_NOT_INITIALISED',
        });
        expect(await handle.setWhole('incarnation-1', true)).toBe('other-incarnation');
      });

      test('whole is set and cleared only while the incarnation is still that one', async () => {
        expect(await store.setWhole('incarnation-0', true)).toBe('other-incarnation');
        expect((await store.read([])).identity?.whole).toBe(false);
        expect(await store.setWhole('incarnation-1', true)).toBe('set');
        expect((await store.read([])).identity?.whole).toBe(true);
        expect(await store.setWhole('incarnation-1', false)).toBe('set');
        expect((await store.read([])).identity?.whole).toBe(false);
      });

      test('the high-water mark only rises [law 2]', async () => {
        expect(await store.raiseHighWater(versionText(5))).toBe('raised');
        expect(await store.raiseHighWater(versionText(5))).toBe('already-higher');
        expect(await store.raiseHighWater(versionText(4))).toBe('already-higher');
        expect(await store.raiseHighWater(versionText(1, 2))).toBe('raised');
        expect((await store.read([])).identity?.highWater).toBe(versionText(1, 2));
      });

      test('a table made anew is another incarnation, also to a handle that knew the old one', async () => {
        await store.put(tenantEnvelope('a', 1));
        await store.setWhole('incarnation-1', true);
        await harness.dropTable();
        expect(await store.read([tenantRef('a')])).toEqual({ items: new Map(), identity: undefined });

        const other = harness.open();
        await initialise(other, 'incarnation-2', 9); // and with another number of shards
        for (let i = 0; i < 20; i++) await other.put(tenantEnvelope(`key-${i}`, 1));

        const refs = Array.from({ length: 20 }, (_, i) => tenantRef(`key-${i}`));
        const read = await store.read(refs);
        expect(read.identity).toMatchObject({ incarnation: 'incarnation-2', whole: false, shards: 9 });
        expect(read.items.size).toBe(20);
        expect(await store.setWhole('incarnation-1', true)).toBe('other-incarnation');
        expect(await store.put(tenantEnvelope('key-0', 2))).toBe('written');
        expect((await other.read([tenantRef('key-0')])).items.get('tenant/key-0')).toMatchObject({
          envelope: { version: versionText(2) },
        });
      });

      test('a handle that saw nothing of the change reads the new table as it is', async () => {
        await store.read([tenantRef('key-0')]); // knows the old table, and its number of shards
        await harness.dropTable();
        const other = harness.open();
        await initialise(other, 'incarnation-2', 9);
        const refs = Array.from({ length: 20 }, (_, i) => tenantRef(`key-${i}`));
        for (const ref of refs) await other.put(tenantEnvelope(ref.key, 1));
        const read = await store.read(refs);
        expect(read.identity?.incarnation).toBe('incarnation-2');
        expect(read.items.size).toBe(20);
      });
    });

    describe('put', () => {
      test('what was put is read back to the byte', async () => {
        const envelope = tenantEnvelope('a', 1, { name: 'Ünïcødé 🚀  "quoted"\n' });
        expect(await store.put(envelope)).toBe('written');
        expect(await storedEnvelope('a')).toEqual(envelope);
      });

      test('[law 2] in whatever order versions arrive, the highest stays', async () => {
        const versions: ((key: string) => Envelope)[] = [
          (key) => tenantEnvelope(key, 1),
          (key) => tenantEnvelope(key, 9),
          (key) => tenantTombstone(key, 10),
          (key) => tenantEnvelope(key, 2, { epoch: 2 }), // after a restore: a lower revision, a later epoch
        ];
        let index = 0;
        for (const order of permutations(versions)) {
          const key = `order-${index++}`;
          let highest = '';
          for (const make of order) {
            const envelope = make(key);
            const newer = envelope.version > highest;
            expect(await store.put(envelope)).toBe(newer ? 'written' : 'superseded');
            if (newer) highest = envelope.version;
            expect((await storedEnvelope(key))?.version).toBe(highest);
          }
          expect(highest).toBe(versionText(2, 2));
        }
        expect(index).toBe(24);
      });

      test('[law 2] a tombstone outranks what was before it and gives way to what comes after', async () => {
        await store.put(tenantEnvelope('a', 1));
        expect(await store.put(tenantTombstone('a', 2))).toBe('written');
        expect(await store.put(tenantEnvelope('a', 1))).toBe('superseded');
        expect(await storedEnvelope('a')).toEqual(tenantTombstone('a', 2));
        expect(await store.put(tenantEnvelope('a', 3))).toBe('written');
        expect(await storedEnvelope('a')).toEqual(tenantEnvelope('a', 3));
      });

      test('its own version already there is a duplicate; the same version with other content is not', async () => {
        await store.put(tenantEnvelope('a', 1));
        expect(await store.put(tenantEnvelope('a', 1))).toBe('duplicate');
        expect(await store.put(tenantEnvelope('a', 1, { name: 'other' }))).toBe('superseded');
        expect(await store.put(tenantTombstone('a', 1))).toBe('superseded');
        expect(await storedEnvelope('a')).toEqual(tenantEnvelope('a', 1));
        await store.put(tenantTombstone('b', 1));
        expect(await store.put(tenantTombstone('b', 1))).toBe('duplicate');
      });

      test('an edited context under our version is no duplicate, even where its hash was kept', async () => {
        await store.put(tenantEnvelope('a', 1));
        await harness.editContext(tenantRef('a'), { bodyText: '{"name":"evil","status":"active"}' });
        expect(await store.put(tenantEnvelope('a', 1))).toBe('superseded');
        expect(await store.put(tenantEnvelope('a', 2))).toBe('written');
      });

      test.each([
        ['garbage that sorts above every version', 'zzzz'],
        ['a version from a future epoch', versionText(1, 999_999)],
      ])('%s is replaced only by one who saw it', async (_what, version) => {
        await harness.editContext(tenantRef('a'), { version });
        expect(await store.put(tenantEnvelope('a', 7))).toBe('superseded');
        expect(await store.put(tenantEnvelope('a', 7), { replacing: 'zzz' })).toBe('superseded');
        const seen = await stored('a');
        expect(seen).toMatchObject({ state: 'corrupt', seen: version });
        expect(await store.put(tenantEnvelope('a', 7), { replacing: version })).toBe('written');
        expect(await store.put(tenantEnvelope('a', 7), { replacing: version })).toBe('duplicate');
        expect(await storedEnvelope('a')).toEqual(tenantEnvelope('a', 7));
      });

      test.each([
        ['no version', undefined],
        ['an empty version', ''],
        ['a number for a version', 99_999_999],
      ])('%s stands in no way', async (_what, version) => {
        await store.put(tenantEnvelope('a', 5));
        await harness.editContext(tenantRef('a'), { version });
        expect(await stored('a')).toMatchObject({
          state: 'corrupt',
          seen: typeof version === 'string' ? version : undefined,
        });
        expect(await store.put(tenantEnvelope('a', 1))).toBe('written');
      });

      test('`replacing` something older is an ordinary put', async () => {
        await store.put(tenantEnvelope('a', 5));
        expect(await store.put(tenantEnvelope('a', 4), { replacing: versionText(3) })).toBe('superseded');
        expect(await store.put(tenantEnvelope('a', 6), { replacing: versionText(3) })).toBe('written');
      });

      test('[law 8] a body of the greatest size fits, one byte more is refused and changes nothing', async () => {
        const base = tenantEnvelope('a', 1);
        const fitting = { ...base, bodyText: 'x'.repeat(limits.bodyBytesMax) };
        expect(await store.put(fitting)).toBe('written');
        const tooLong = { ...tenantEnvelope('a', 2), bodyText: 'x'.repeat(limits.bodyBytesMax + 1) };
        await expect(store.put(tooLong)).rejects.toMatchObject({ code: 'STORE_REFUSED', retry: false });
        const tooWide = { ...tenantEnvelope('a', 2), bodyText: 'ü'.repeat(limits.bodyBytesMax / 2 + 1) };
        await expect(store.put(tooWide)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
        expect(await stored('a')).toMatchObject({ seen: base.version });
      });

      test('[law 2] of two handles that race, the newer wins, and one of each pair is told so', async () => {
        const other = harness.open();
        for (let round = 0; round < 10; round++) {
          const key = `race-${round}`;
          const outcomes = await Promise.all(
            [1, 2, 3, 4, 5, 6].map((revision) =>
              (revision % 2 ? store : other).put(tenantEnvelope(key, revision)),
            ),
          );
          expect(outcomes.at(-1)).toBe('written');
          expect(outcomes.every((outcome) => outcome !== 'duplicate')).toBe(true);
          expect(await storedEnvelope(key)).toEqual(tenantEnvelope(key, 6));
        }
      });

      test('the same version from two handles at once is written once', async () => {
        const other = harness.open();
        for (let round = 0; round < 10; round++) {
          const envelope = tenantEnvelope(`twice-${round}`, 1);
          const outcomes = await Promise.all([store.put(envelope), other.put(envelope)]);
          expect(outcomes.sort()).toEqual(['duplicate', 'written']);
        }
      });
    });

    describe('read', () => {
      test('nothing asked gives the identity alone', async () => {
        expect(await store.read([])).toEqual({ items: new Map(), identity });
      });

      test('live, gone, corrupt and absent contexts in one read, the identity with them', async () => {
        await store.put(tenantEnvelope('live', 1));
        await store.put(tenantTombstone('gone', 2));
        await store.put(tenantEnvelope('edited', 3));
        await harness.editContext(tenantRef('edited'), { bodyText: '{}' });
        const refs = ['live', 'gone', 'edited', 'absent'].map(tenantRef);
        const read = await store.read(refs);
        expect(read.identity).toEqual(identity);
        expect(read.items).toEqual(
          new Map<string, unknown>([
            ['tenant/live', { state: 'context', key: 'live', envelope: tenantEnvelope('live', 1) }],
            ['tenant/gone', { state: 'context', key: 'gone', envelope: tenantTombstone('gone', 2) }],
            [
              'tenant/edited',
              {
                state: 'corrupt',
                key: 'edited',
                reason: expect.stringContaining('hash'),
                seen: versionText(3),
              },
            ],
          ]),
        );
      });

      test('kinds do not mix', async () => {
        await store.put(tenantEnvelope('a', 1));
        expect((await store.read([{ kind: 'cluster', key: 'a' }])).items.size).toBe(0);
      });

      test('as many as a batch may have, and the same one several times', async () => {
        const keys = Array.from({ length: limits.batchMax }, (_, i) => `key-${i}`);
        for (const key of keys) await store.put(tenantEnvelope(key, 1));
        const read = await store.read(keys.map(tenantRef));
        expect([...read.items.keys()].sort()).toEqual(keys.map((key) => `tenant/${key}`).sort());
        const one = await store.read(Array.from({ length: 10 }, () => tenantRef('key-1')));
        expect([...one.items.keys()]).toEqual(['tenant/key-1']);
        await expect(store.read([...keys, 'one-more'].map(tenantRef))).rejects.toThrow('the most is 100');
      });

      test('what cannot be the key of a context is absent', async () => {
        const refs = ['', 'UPPER', 'a b', 'ü', 'x'.repeat(limits.keyLengthMax + 1)].map(tenantRef);
        expect(await store.read(refs)).toEqual({ items: new Map(), identity });
      });

      test('a handle reads at once what another wrote', async () => {
        const other = harness.open();
        for (let revision = 1; revision <= 20; revision++) {
          await other.put(tenantEnvelope('a', revision));
          expect((await storedEnvelope('a'))?.version).toBe(versionText(revision));
        }
      });
    });

    describe('scan', () => {
      const keys = ['a', 'a-1', 'a.1', 'a:1', 'a_1', 'b', 'ten_0', 'ten_1', 'z'].sort();

      beforeEach(async () => {
        for (const key of keys.toReversed()) await store.put(tenantEnvelope(key, 1));
        await store.put({ ...tenantTombstone('gone', 3) });
      });

      test('gives everything of the kind in byte order, tombstones and corrupt items included', async () => {
        await harness.editContext(tenantRef('b'), { hash: 'edited' });
        const items = await collect(store.scan('tenant'));
        expect(items.map((item) => item.key)).toEqual([...keys, 'gone'].sort());
        expect(items.find((item) => item.key === 'b')?.state).toBe('corrupt');
        expect(items.find((item) => item.key === 'gone')).toMatchObject({ envelope: { bodyText: null } });
        expect(items.find((item) => item.key === 'a')).toMatchObject({ envelope: tenantEnvelope('a', 1) });
      });

      test('nothing of the kind gives nothing', async () => {
        expect(await collect(store.scan('cluster'))).toEqual([]);
      });

      test.each([
        [{ after: 'a_1' }],
        [{ after: 'a_' }],
        [{ upTo: 'a_1' }],
        [{ after: 'a-1', upTo: 'b' }],
        [{ after: 'a', upTo: 'a' }],
        [{ after: 'z', upTo: 'a' }],
        [{ after: 'z' }],
        [{ after: '', upTo: 'zz' }],
        [{ upTo: 'A' }],
      ])('the range %j is after < key <= upTo', async (range: { after?: string; upTo?: string }) => {
        const { after = '', upTo = '\u{10ffff}' } = range;
        const expected = [...keys, 'gone'].sort().filter((key) => key > after && key <= upTo);
        expect((await collect(store.scan('tenant', range))).map((item) => item.key)).toEqual(expected);
      });

      test('a caller may stop early', async () => {
        for await (const [item] of store.scan('tenant')) {
          expect(item!.key).toBe('a');
          break;
        }
        expect(await store.put(tenantEnvelope('after-the-break', 1))).toBe('written');
      });
    });

    describe('expire', () => {
      test('removes the very tombstone that was seen', async () => {
        await store.put(tenantTombstone('a', 1));
        expect(await store.expire(tenantRef('a'), versionText(1))).toBe('removed');
        expect(await stored('a')).toBeUndefined();
        expect(await store.expire(tenantRef('a'), versionText(1))).toBe('changed');
      });

      test('[law 2] leaves alone what is live, or gone as of another version', async () => {
        await store.put(tenantEnvelope('live', 1));
        expect(await store.expire(tenantRef('live'), versionText(1))).toBe('changed');
        await store.put(tenantTombstone('again', 2));
        expect(await store.expire(tenantRef('again'), versionText(1))).toBe('changed');
        expect(await storedEnvelope('live')).toBeDefined();
        expect(await storedEnvelope('again')).toBeDefined();
      });
    });

    describe('feed', () => {
      const read = async (after: number, limit = 1_000) => store.readFeed(after, limit);

      test('a new feed stands at 0 and has an incarnation', async () => {
        const head = await store.readFeedHead();
        expect(head).toEqual({ incarnation: expect.stringMatching(/.{16,}/), number: 0 });
        expect(await read(0)).toEqual({ entries: [], head });
      });

      test('entries are numbered from 1 and read back as they were', async () => {
        const first = [announcement('a', 1), { ...announcement('b', 2), tombstone: true }];
        expect(await store.announce(first, 1_000)).toBe(1);
        expect(await store.announce([announcement('c', 3)], 2_000)).toBe(2);
        expect(await read(0)).toEqual({
          entries: [
            { number: 1, atMs: 1_000, announcements: first },
            { number: 2, atMs: 2_000, announcements: [announcement('c', 3)] },
          ],
          head: { incarnation: (await store.readFeedHead()).incarnation, number: 2 },
        });
        expect((await read(1)).entries.map((entry) => entry.number)).toEqual([2]);
        expect((await read(2)).entries).toEqual([]);
      });

      test('nothing to announce appends nothing', async () => {
        expect(await store.announce([], 1)).toBe(0);
        await store.announce([announcement('a', 1)], 1);
        expect(await store.announce([], 1)).toBe(1);
        expect((await read(0)).entries).toHaveLength(1);
      });

      test('[law 8] more than fit into an entry make several, and the last number is returned', async () => {
        const many = Array.from({ length: 2 * limits.batchMax + 50 }, (_, i) =>
          announcement(`key-${i}`, i + 1),
        );
        const last = await store.announce(many, 1_000);
        const { entries } = await read(0);
        expect(entries.at(-1)?.number).toBe(last);
        expect(entries.every((entry) => entry.announcements.length <= limits.batchMax)).toBe(true);
        expect(entries.flatMap((entry) => entry.announcements)).toEqual(many);
        expectDense(entries, 1);
      });

      test('a page has at most `limit` entries, and the head only where it reached the end', async () => {
        for (let i = 1; i <= 5; i++) await store.announce([announcement('a', i)], i);
        for (const [after, limit, numbers, reached] of [
          [0, 2, [1, 2], false],
          [2, 2, [3, 4], false],
          [4, 2, [5], true],
          [0, 5, [1, 2, 3, 4, 5], true],
          [3, 2, [4, 5], true],
          [9, 2, [], true],
        ] as const) {
          const page = await read(after, limit);
          expect(page.entries.map((entry) => entry.number)).toEqual(numbers);
          expect(page.head?.number).toBe(reached ? 5 : undefined);
        }
      });

      test('concurrent announcers on two handles leave no gap and lose nothing', async () => {
        const handles = [store, harness.open()];
        const announced: Promise<number>[] = [];
        for (let i = 0; i < 40; i++) {
          const handle = handles[i % 2] as Store;
          announced.push(handle.announce([announcement(`key-${i}`, i + 1)], 1_000));
          if (i % 7 === 0) await announced[i];
        }
        const numbers = await Promise.all(announced);
        const { entries, head } = await read(0);
        expectDense(entries, 1);
        expect(head?.number).toBe(entries.at(-1)?.number);
        for (const [i, number] of numbers.entries()) {
          const keys = entries.find((entry) => entry.number === number)?.announcements.map((one) => one.key);
          expect(keys).toContain(`key-${i}`);
        }
      });

      test('one handle announces in the order of its calls', async () => {
        const numbers = await Promise.all(
          Array.from({ length: 30 }, (_, i) => store.announce([announcement(`key-${i}`, 1)], 1_000)),
        );
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        const keys = (await read(0)).entries.flatMap((entry) => entry.announcements).map((one) => one.key);
        expect(keys).toEqual(Array.from({ length: 30 }, (_, i) => `key-${i}`));
      });

      test('trimming removes the oldest, never the newest, and the numbers go on', async () => {
        for (let i = 1; i <= 5; i++) await store.announce([announcement('a', i)], i * 100);
        expect(await store.trimFeed(100)).toBe(0);
        expect(await store.trimFeed(250)).toBe(2);
        expect((await read(0)).entries.map((entry) => entry.number)).toEqual([3, 4, 5]);
        expect(await store.trimFeed(10_000)).toBe(2);
        expect(await store.trimFeed(10_000)).toBe(0);
        expect((await read(0)).entries.map((entry) => entry.number)).toEqual([5]);
        expect(await store.announce([announcement('a', 6)], 600)).toBe(6);
        expectDense((await read(4)).entries, 5);
      });

      test('trimming an empty feed is nothing', async () => {
        expect(await store.trimFeed(10_000)).toBe(0);
      });

      test('one who slept through appends and trimming announces at the end, not below', async () => {
        const sleeper = harness.open();
        expect(await sleeper.announce([announcement('first', 1)], 100)).toBe(1);
        for (let i = 2; i <= 6; i++) await store.announce([announcement('a', i)], 100);
        await store.trimFeed(10_000);
        expect(await sleeper.announce([announcement('late', 9)], 200)).toBe(7);
        const { entries } = await read(6);
        expect(entries.flatMap((entry) => entry.announcements)).toEqual([announcement('late', 9)]);
      });

      test('a missing entry shows as a gap', async () => {
        for (let i = 1; i <= 4; i++) await store.announce([announcement('a', i)], i);
        await harness.dropFeedEntry(2);
        expect((await read(0)).entries.map((entry) => entry.number)).toEqual([1, 3, 4]);
        expect(await store.announce([announcement('a', 5)], 5)).toBe(5);
      });

      test('a lost head is made anew at the last entry, as another incarnation', async () => {
        for (let i = 1; i <= 3; i++) await store.announce([announcement('a', i)], i);
        const before = await store.readFeedHead();
        await harness.dropFeedHead();
        await expect(store.readFeedHead()).rejects.toMatchObject({ code: 'STORE_NOT_INITIALISED' });
        await harness.open().announce([announcement('a', 4)], 4);
        const after = await store.readFeedHead();
        expect(after.incarnation).not.toBe(before.incarnation);
        expect(after.number).toBe(4);
        expectDense((await read(0)).entries, 1);
      });

      test('a feed made anew starts over, also for a handle that knew the old one', async () => {
        for (let i = 1; i <= 3; i++) await store.announce([announcement('a', i)], i);
        const before = await store.readFeedHead();
        await harness.dropTable();
        await initialise(harness.open(), 'incarnation-2');
        expect(await store.announce([announcement('b', 1)], 10)).toBe(1);
        expect(await store.announce([announcement('b', 2)], 10)).toBe(2);
        const { entries, head } = await read(0);
        expectDense(entries, 1);
        expect(entries).toHaveLength(2);
        expect(head?.incarnation).not.toBe(before.incarnation);
      });
    });

    describe('gateways', () => {
      test('a status replaces the last one of that gateway', async () => {
        await store.reportGateway(gateway('g-1'));
        await store.reportGateway(gateway('g-2', { degraded: true, feedIncarnation: null }));
        await store.reportGateway(gateway('g-1', { watermark: 9 }));
        expect(await harness.open().listGateways(1_000)).toEqual([
          gateway('g-1', { watermark: 9 }),
          gateway('g-2', { degraded: true, feedIncarnation: null }),
        ]);
      });

      test('after its expiry a gateway is left out, and its status goes', async () => {
        await store.reportGateway(gateway('g-1', { expiresAtMs: 2_000 }));
        await store.reportGateway(gateway('g-2', { expiresAtMs: 3_000 }));
        expect((await store.listGateways(2_000)).map((one) => one.id)).toEqual(['g-1', 'g-2']);
        expect((await store.listGateways(2_001)).map((one) => one.id)).toEqual(['g-2']);
        expect(await store.trimGateways(2_000)).toBe(0);
        expect(await store.trimGateways(2_001)).toBe(1);
        expect((await store.listGateways(0)).map((one) => one.id)).toEqual(['g-2']);
      });

      test('none is none', async () => {
        expect(await store.listGateways(0)).toEqual([]);
        expect(await store.trimGateways(0)).toBe(0);
        expect(await store.listKeyUses(10)).toEqual([]);
      });

      test('[law 8] says which keys it let in, place by place, and no more than its places hold', async () => {
        for (const [place, atMs] of [
          [2, 10],
          [1, 20],
          [2, 30],
        ] as const)
          await store.reportKeyUses(keyUses(place, atMs));
        const other = { ...keyUses(0, 5, ['key-9']), gateway: 'g-2' };
        await store.reportKeyUses(other);
        const handle = harness.open();
        expect(await handle.listKeyUses(10)).toEqual([keyUses(1, 20), keyUses(2, 30), other]);
        expect(await handle.listKeyUses(2)).toEqual([keyUses(1, 20), keyUses(2, 30)]);
        const full = Array.from({ length: limits.keyUsesMax }, (_, at) => `aki_${at}`);
        await expect(store.reportKeyUses(keyUses(0, 1, [...full, 'one-more']))).rejects.toThrow('1001 keys');
        await store.reportKeyUses(keyUses(0, 1, full));
        expect((await store.listKeyUses(1))[0]!.keys).toEqual(full);
      });

      test('what it has said is removed once it was read, and not what it has said since in its place', async () => {
        await store.reportKeyUses(keyUses(1, 10));
        const [read] = await store.listKeyUses(1);
        await store.reportKeyUses(keyUses(1, 20, ['key-2']));
        expect(await store.removeKeyUses(read!)).toBe('changed');
        expect(await store.listKeyUses(9)).toEqual([keyUses(1, 20, ['key-2'])]);
        expect(await store.removeKeyUses(keyUses(1, 20))).toBe('removed');
        expect(await store.removeKeyUses(keyUses(1, 20))).toBe('changed');
        expect(await store.listKeyUses(9)).toEqual([]);
      });
    });
  });
}

export function announcement(key: string, revision: number): Announcement {
  return { ...tenantRef(key), version: versionText(revision), tombstone: false };
}

export function gateway(id: string, changes: Partial<GatewayStatus> = {}): GatewayStatus {
  return {
    id,
    region: 'eu-west-1',
    build: '0.1.0',
    startedAtMs: 500,
    reportedAtMs: 1_000,
    expiresAtMs: 10_000,
    watermark: 1,
    feedIncarnation: 'feed-1',
    cachedContexts: 3,
    degraded: false,
    ...changes,
  };
}

export function keyUses(place: number, atMs: number, keys: readonly string[] = ['key-1']): KeyUses {
  return { gateway: 'g-1', place, atMs, keys };
}

export async function collect<T>(runs: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const run of runs) all.push(...run);
  return all;
}

export function expectDense(entries: readonly FeedEntry[], from: number): void {
  expect(entries.map((entry) => entry.number)).toEqual(entries.map((_, index) => from + index));
}
