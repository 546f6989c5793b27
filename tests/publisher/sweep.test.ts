import { describe, expect, test } from 'vitest';
import { seal, tombstone } from '../../contexts/envelope.ts';
import { refText } from '../../contexts/kinds/index.ts';
import { StoreError } from '../../contexts/store.ts';
import { RegionAheadError } from '../../publisher/ahead.ts';
import { tenantEnvelope } from '../support/samples.ts';
import { brokenBody, clusterBody, clusterOf, keyBody, keyOf, tenantBody, tenantOf } from './fake-hub.ts';
import { regionOfOne } from './region-of-one.ts';

const dayMs = 86_400_000;
const [t1, c1, k1] = [tenantOf('ten_1'), clusterOf('vci_1'), keyOf('aki_1')];
const keys = (count: number) =>
  Array.from({ length: count }, (_, n) => keyOf(`aki_${String(n).padStart(3, '0')}`));

/** A region that holds all it should, after one complete sweep, with its counters at zero. */
async function inSync(options: { whole?: boolean } = {}) {
  const region = await regionOfOne(options);
  region.hub.set(t1, tenantBody());
  region.hub.set(c1, clusterBody());
  for (const key of keys(8)) region.hub.set(key, keyBody());
  await region.sweep();
  region.clearFeed();
  region.store.resetCounts();
  return region;
}

describe('a sweep that finds nothing', () => {
  test('[law 3] fills an empty region, marks it whole, and the next writes nothing at all', async () => {
    const region = await regionOfOne({ whole: false });
    region.hub.set(t1, tenantBody());
    region.hub.set(c1, clusterBody());
    for (const key of keys(8)) region.hub.set(key, keyBody());
    expect(await region.sweep()).toEqual({ scanned: 10, written: 10, missing: 10 });
    expect(region.table.identity!.whole).toBe(true);
    expect(region.feed().flat()).toHaveLength(10);
    region.writes();
    expect(await region.sweep()).toEqual({ scanned: 10 });
    expect(region.writes()).toBe(0);
  });

  test('[law 3] does not announce again what refreshes announced after the last one did its work', async () => {
    const region = await inSync();
    region.hub.set(t1, tenantBody('changed'));
    await region.publish(t1);
    expect(await region.sweep(), 'the announcement may have been lost, for all it knows').toEqual({
      scanned: 10,
      reannounced: 1,
    });
    region.writes();
    expect(await region.sweep()).toEqual({ scanned: 10 });
    expect(region.writes()).toBe(0);
  });
});

describe('each kind of drift is found, counted exactly and mended by one sweep', () => {
  test('[law 3] all of them at once', async () => {
    const region = await inSync();
    const { hub, table } = region;
    const [missing, stale, edited, garbage, orphan] = keys(8);
    table.delete(missing!);
    hub.set(stale!, keyBody('disabled'));
    table.edit(edited!, { bodyText: JSON.stringify(keyBody('edited')) });
    table.edit(garbage!, { version: 'zzz', bodyText: 'not even JSON' });
    hub.remove(orphan!);
    const stranger = tenantEnvelope('ten_stranger', 3);
    table.insert({ ...stranger });
    const higher = seal({ ...t1, epoch: 1, revision: 5000, body: tenantBody('ahead'), builtAtMs: 0 });
    if (higher.outcome !== 'sealed') throw new Error(higher.reason);
    table.insert({ ...higher.envelope });

    expect(await region.sweep()).toEqual({
      scanned: 11,
      missing: 1,
      stale: 2, // one disabled, one deleted: the store has an older state of either
      corrupt: 2,
      orphan: 1,
      ahead: 1,
      written: 7,
      reannounced: 5, // the two that changed at the hub, and the three that drew a fresh revision
    });
    expect(await region.sweep()).toEqual({ scanned: 11 });
    expect(region.writes()).toBeGreaterThan(0);
    await region.sweep();
    expect(region.writes()).toBe(0);

    for (const ref of [t1, c1, ...keys(8)]) {
      const [build] = await hub.build([ref]);
      if (build?.state !== 'live' && build?.state !== 'gone') throw new Error('unreachable');
      expect(table.raw(ref)!.version, refText(ref)).toBe(build.envelope.version);
      expect(table.raw(ref)!.bodyText, refText(ref)).toBe(build.envelope.bodyText);
    }
    expect(table.raw(tenantOf('ten_stranger'))!.bodyText).toBeNull();
  });

  test('[law 2] what replaces something corrupt outranks it, also for a gateway that has read it', async () => {
    const region = await inSync();
    const before = String(region.table.raw(k0)!.version);
    region.table.edit(k0, { bodyText: JSON.stringify(keyBody('edited')) });
    await region.sweep();
    expect(String(region.table.raw(k0)!.version) > before).toBe(true);
    expect(region.feed()).toContainEqual([refText(k0)]);
  });

  test.each([
    ['that is no text', 7],
    ['that is missing', undefined],
    ['above every other', 'zzz'],
    ['below every other', ''],
    ['above all that can be drawn', '999999.9007199254740991.9999'],
  ])('[law 3] a corrupt item with a version %s is mended', async (_what, version) => {
    const region = await inSync();
    region.table.edit(k0, { version });
    expect(await region.sweep()).toMatchObject({ corrupt: 1, written: 1 });
    expect(await region.sweep()).toEqual({ scanned: 10 });
  });

  test.each([
    ['the hub holds', 'ten_1', 'ahead'],
    ['nobody ever heard of', 'ten_x', 'orphan'],
  ])(
    '[law 3] a well-formed item with a version that was never drawn, of a tenant %s',
    async (_who, key, drift) => {
      const region = await inSync();
      const made = {
        kind: 'tenant',
        key,
        epoch: 9,
        revision: 1,
        body: tenantBody('made up'),
        builtAtMs: 0,
      } as const;
      const sealed = seal(made);
      if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
      region.table.insert({ ...sealed.envelope });
      expect(await region.sweep()).toMatchObject({ [drift]: 1, written: 1 });
      expect(await region.sweep()).toEqual({ scanned: key === 'ten_1' ? 10 : 11 });
      expect(region.table.raw(tenantOf(key))!.bodyText).toBe(
        key === 'ten_1' ? JSON.stringify(tenantBody()) : null,
      );
    },
  );

  test('[law 2] a stranger is buried under a mark that went up first', async () => {
    const region = await inSync();
    region.table.insert({ ...tenantEnvelope('ten_stranger', 3) });
    const gate = region.store.holdNext('put');
    const swept = region.sweep();
    await gate.reached(1);
    const mark = region.table.identity!.highWater!;
    gate.open();
    await swept;
    expect(mark >= String(region.table.raw(tenantOf('ten_stranger'))!.version)).toBe(true);
  });

  test('[law 2] the same version with another content: a fresh revision is drawn before anything is put', async () => {
    const region = await inSync();
    region.hub.alter(c1, clusterBody('https://other.example'));
    const drawn = region.hub.drawn;
    expect(await region.sweep()).toMatchObject({ corrupt: 1, written: 1 });
    expect(region.stored()['cluster/vci_1']).toBe(String(drawn + 1));
    expect(region.table.raw(c1)!.bodyText).toContain('other.example');
  });

  test('[law 3] a region that left and came back under one revision: the tombstone gives way', async () => {
    const region = await inSync();
    const body = keyBody();
    region.hub.remove(k0);
    await region.publish(k0);
    region.hub.alter(k0, body); // the placement is back, and the cascade was lost
    expect(await region.sweep()).toMatchObject({ stale: 1, written: 1 });
    expect(region.table.raw(k0)!.bodyText).not.toBeNull();
  });

  test('quarantined contexts are counted, and the last good state stays', async () => {
    const region = await inSync();
    const good = region.table.raw(t1);
    region.hub.set(t1, brokenBody);
    expect(await region.sweep()).toMatchObject({ quarantined: 1, scanned: 10 });
    expect(region.table.raw(t1)).toEqual(good);
  });

  test('[law 3] more differences than are settled at a time', async () => {
    const region = await regionOfOne();
    const many = Array.from({ length: 2350 }, (_, n) => keyOf(`aki_${String(n).padStart(5, '0')}`));
    for (const key of many) region.hub.set(key, keyBody());
    expect(await region.sweep({ pageRows: 500 })).toEqual({ scanned: 2350, missing: 2350, written: 2350 });
    expect(await region.sweep({ pageRows: 500 })).toEqual({ scanned: 2350 });
  });
});
const k0 = keyOf('aki_000');

describe('what may be a refresh under way', () => {
  test('[law 3] a newborn in the store that the snapshot of the hub does not know is not removed', async () => {
    const region = await inSync();
    const newborn = keyOf('aki_004b');
    let born = false;
    region.hub.onAsk = (what) => {
      // After the hub gave the page that would have held it, and before the store is read there.
      if (
        what !== 'range' ||
        born ||
        !region.hub.asked.some((asked) => asked.startsWith('range agent-key aki_0'))
      )
        return;
      born = true;
      const build = region.hub.set(newborn, keyBody());
      if (build.state === 'live') region.table.insert({ ...build.envelope });
    };
    const counts = await region.sweep();
    expect(born).toBe(true);
    expect(counts.orphan).toBeUndefined();
    expect(region.table.raw(newborn)!.bodyText).not.toBeNull();
  });

  test('[law 3] a difference that mends itself while the sweep waits is not counted', async () => {
    const region = await inSync();
    region.hub.set(t1, tenantBody('changed'));
    const swept = region.newSweep({ settleMs: 250 });
    const ended = swept.run(new AbortController().signal);
    await region.clock.advance(100);
    await region.publish(t1);
    await region.clock.advance(1000);
    await ended;
    expect(swept.counts).toMatchObject({ stale: 0, written: 0 });
  });

  test('[law 2] an orphan that was made known between the look and the tombstone stays', async () => {
    const region = await inSync();
    region.table.insert({ ...tenantEnvelope('ten_new', 3) });
    const gate = region.store.holdNext('put');
    const swept = region.sweep();
    await gate.reached(1);
    const build = region.hub.set(tenantOf('ten_new'), tenantBody('known'));
    if (build.state !== 'live') throw new Error('unreachable');
    await region.memory.put(build.envelope);
    gate.open();
    await swept;
    expect(region.table.raw(tenantOf('ten_new'))!.bodyText).toContain('known');
  });
});

describe('a version that the hub never gave', () => {
  const edited = (
    region: Awaited<ReturnType<typeof inSync>>,
    ref: typeof t1,
    revision: number,
    body: unknown | null,
  ) => {
    const input = { ...ref, epoch: 1, revision, builtAtMs: 0 };
    const sealed =
      body === null ? { outcome: 'sealed' as const, envelope: tombstone(input) } : seal({ ...input, body });
    if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
    region.table.insert(sealed.envelope);
  };

  test.each([
    ['a tombstone', 5_000, null],
    ['a tombstone below what was drawn since', 11, null],
    ['a disabled key', 5_000, keyBody('disabled')],
    ['an expired key', 5_000, { ...keyBody(), expiresAtMs: 1 }],
  ])('[law 2] that denies is left to a person: %s', async (_what, revision, body) => {
    const region = await inSync();
    region.hub.drawn = 100; // other contexts have moved on
    edited(region, k0, revision, body);
    const before = region.stored();
    expect(await region.sweep()).toMatchObject({ ahead: 1, heldAhead: 1 });
    expect(region.stored()).toEqual(before);
    expect(region.heldAhead).toEqual([expect.stringMatching(/^agent-key\/aki_000 /)]);
    expect(region.hub.drawn).toBe(100);

    region.hub.set(k0, keyBody('disabled')); // the person agrees
    await region.sweep();
    expect(region.heldAhead).toHaveLength(1);
    expect(region.table.raw(k0)!.bodyText).toContain('disabled');
  });

  test('[law 2] is outranked by its repair, so that gateways that have read it believe the repair', async () => {
    const region = await inSync();
    edited(region, k0, 5_000, keyBody());
    expect(await region.sweep()).toMatchObject({ ahead: 1, written: 1 });
    expect(Number(region.stored()['agent-key/aki_000'])).toBeGreaterThan(5_000);
  });

  test('that would use up the revisions is replaced all the same, and none is used up', async () => {
    const region = await inSync();
    const drawn = region.hub.drawn;
    edited(region, k0, 2 ** 53 - 1, keyBody());
    expect(await region.sweep()).toMatchObject({ ahead: 1, written: 1 });
    expect(region.hub.drawn).toBeLessThan(drawn + 5);
    expect(Number(region.stored()['agent-key/aki_000'])).toBeLessThan(drawn + 5);
  });
});

describe('a region that is ahead', () => {
  test('[law 2] stops the sweep before it writes anything', async () => {
    const region = await inSync();
    region.table.delete(t1);
    region.hub.drawn = 3; // restored from a backup
    await expect(region.sweep()).rejects.toThrow(RegionAheadError);
    expect(region.writes()).toBe(0);
  });

  test('[law 2] also where the hub is restored in the middle of a sweep', async () => {
    const region = await inSync();
    const before = region.stored();
    region.hub.onAsk = (what) => {
      if (what !== 'build') return;
      region.hub.onAsk = undefined;
      region.hub.drawn = 3;
      for (const [name, head] of [...region.hub.heads]) {
        region.hub.heads.set(name, { ...head, revision: Math.min(head.revision, 2) });
      }
    };
    region.table.delete(t1);
    await expect(region.sweep()).rejects.toThrow(RegionAheadError);
    delete before['tenant/ten_1'];
    expect(region.stored()).toEqual(before);
  });
});

describe('tombstones', () => {
  test('[law 3] stay for their retention, then go, and then are no drift', async () => {
    const region = await inSync();
    region.hub.remove(k0);
    await region.publish(k0);
    await region.sweep();
    await region.clock.advance(7 * dayMs - 1);
    expect(await region.sweep()).toEqual({ scanned: 10 });
    await region.clock.advance(2);
    expect(await region.sweep()).toEqual({ scanned: 10, expired: 1, reannounced: 1 });
    expect(region.table.raw(k0)).toBeUndefined();
    region.writes();
    expect(await region.sweep()).toEqual({ scanned: 9 });
    expect(region.writes()).toBe(0);
  });

  test.each([
    ["the publisher's clock", { publisherMs: 30 * dayMs, databaseMs: 0 }],
    ["the database's clock", { publisherMs: 0, databaseMs: 30 * dayMs }],
  ])(
    '[law 2] do not end early by %s when it is a month ahead',
    async (_whose, { publisherMs, databaseMs }) => {
      const region = await inSync();
      region.hub.remove(k0);
      await region.publish(k0);
      await region.sweep();
      region.clock.stepWall(publisherMs);
      region.hub.clockAheadMs = databaseMs - publisherMs;
      expect(await region.sweep()).toEqual({ scanned: 10 });
      await region.clock.advance(7 * dayMs + 1);
      expect(await region.sweep()).toMatchObject({ expired: 1 });
    },
  );

  test('[law 2] one whose context came back while it was being removed is left alone', async () => {
    const region = await inSync();
    region.hub.remove(k0);
    await region.publish(k0);
    await region.sweep();
    await region.clock.advance(7 * dayMs + 1);
    const gate = region.store.holdNext('expire');
    const swept = region.sweep();
    await gate.reached(1);
    region.hub.set(k0, keyBody());
    await region.publish(k0);
    gate.open();
    expect((await swept).expired).toBeUndefined();
    expect(region.table.raw(k0)!.bodyText).not.toBeNull();
  });
});

describe('whole', () => {
  test('[law 7] is set only at the end', async () => {
    const region = await regionOfOne({ whole: false });
    for (const key of keys(8)) region.hub.set(key, keyBody());
    const seen: boolean[] = [];
    region.hub.onAsk = () => seen.push(region.table.identity!.whole);
    await region.sweep();
    expect(new Set(seen)).toEqual(new Set([false]));
    expect(region.table.identity!.whole).toBe(true);
  });

  test.each(['scan', 'put', 'announce', 'read', 'trimFeed'] as const)(
    '[law 7] is not set by a sweep that failed at %s, and set by the next',
    async (operation) => {
      const region = await regionOfOne({ whole: false });
      for (const key of keys(8)) region.hub.set(key, keyBody());
      region.store.failNext(operation);
      await expect(region.sweep()).rejects.toThrow(StoreError);
      expect(region.table.identity!.whole).toBe(false);
      await region.sweep();
      expect(region.table.identity!.whole).toBe(true);
    },
  );

  test('[law 7] is not set on a table that was made anew meanwhile', async () => {
    const region = await regionOfOne({ whole: false });
    region.hub.set(t1, tenantBody());
    region.hub.onAsk = () => {
      region.table.identity = { ...region.table.identity!, incarnation: 'another' };
    };
    await region.sweep();
    expect(region.table.identity!.whole).toBe(false);
  });

  test('a sweep that is told to stop stops, and leaves it unset', async () => {
    const region = await regionOfOne({ whole: false });
    for (const key of keys(8)) region.hub.set(key, keyBody());
    const stop = new AbortController();
    region.hub.onAsk = () => stop.abort(new Error('the publisher ends'));
    await expect(region.newSweep().run(stop.signal)).rejects.toThrow('the publisher ends');
    expect(region.table.identity!.whole).toBe(false);
  });
});

describe('announcements', () => {
  test('[law 3] that were lost are made again by the next sweep, once', async () => {
    const region = await inSync();
    region.hub.set(t1, tenantBody('changed'));
    region.hub.remove(k0);
    await region.publish(t1, k0);
    region.clearFeed();
    expect(await region.sweep()).toEqual({ scanned: 10, reannounced: 2 });
    expect(region.feed().flat().sort()).toEqual(['-agent-key/aki_000', 'tenant/ten_1']);
    region.clearFeed();
    await region.sweep();
    expect(region.feed()).toEqual([]);
  });

  test('[law 3] by a region with no complete sweep behind it: everything it holds is announced, once', async () => {
    const region = await regionOfOne();
    region.hub.set(t1, tenantBody());
    region.hub.set(c1, clusterBody());
    region.hub.remove(k1);
    region.store.failNext('announce');
    await expect(region.publish(t1, c1, k1)).rejects.toThrow(StoreError); // and its job is lost too
    expect(await region.sweep()).toEqual({ scanned: 3, reannounced: 3 });
    expect(region.feed().flat().sort()).toEqual(['-agent-key/aki_1', 'cluster/vci_1', 'tenant/ten_1']);
    region.writes();
    await region.sweep();
    expect(region.writes()).toBe(0);
  });

  test('[law 3] beyond the mark, because of a transaction that runs long, are remembered by name', async () => {
    const region = await inSync();
    region.hub.runningXid = region.hub.xid;
    region.hub.xid += 1;
    region.hub.set(t1, tenantBody('changed'));
    expect(await region.sweep()).toMatchObject({ stale: 1, written: 1, reannounced: 1 });
    expect(region.since.tail).toEqual([{ ...t1, revision: region.hub.drawn }]);
    region.writes();
    expect(await region.sweep()).toEqual({ scanned: 10 });
    expect(region.writes(), 'the tail says that it was announced').toBe(0);

    // The long transaction commits at last, under its old number: the mark was not beyond it.
    region.hub.set(k0, keyBody('disabled'));
    region.hub.heads.get(refText(k0))!.xid = region.hub.runningXid;
    region.hub.runningXid = undefined;
    await region.publish(k0);
    region.clearFeed();
    expect(await region.sweep()).toMatchObject({ reannounced: 1 });
    expect(region.feed()).toEqual([[refText(k0)]]);
  });

  test('[law 3] of a context that changed again since the tail are made', async () => {
    const region = await inSync();
    region.hub.runningXid = region.hub.xid;
    region.hub.set(t1, tenantBody('one'));
    await region.sweep();
    region.hub.set(t1, tenantBody('two'));
    await region.publish(t1);
    region.clearFeed();
    await region.sweep();
    expect(region.feed()).toEqual([['tenant/ten_1']]);
  });

  test('[law 8] too many beyond the mark are not remembered, but announced again', async () => {
    const region = await inSync();
    region.hub.runningXid = region.hub.xid;
    for (let n = 0; n < 1001; n++) region.hub.set(keyOf(`aki_x${n}`), keyBody());
    await region.sweep({ pageRows: 1000 });
    expect(region.since.tail).toEqual([]);
    expect((await region.sweep({ pageRows: 1000 })).reannounced).toBe(1001);
  });

  test('old feed entries are trimmed, never the newest', async () => {
    const region = await inSync();
    await region.publish(t1);
    await region.publish(c1);
    await region.clock.advance(3_600_001);
    await region.sweep();
    expect([...region.table.feed.keys()]).toEqual([region.table.feedHead!.number]);
  });
});

describe('a recovery', () => {
  test('[law 6] puts what changed meanwhile before it compares everything, tightening first', async () => {
    const region = await inSync();
    region.hub.set(t1, tenantBody('changed'));
    region.hub.remove(k0);
    let storedAtFirstScan: unknown;
    region.hub.onAsk = (what) => {
      if (what === 'range') storedAtFirstScan ??= region.table.raw(k0)!.bodyText;
    };
    const counts = await region.sweep({ recovery: true });
    expect(storedAtFirstScan, 'the revocation was there before the first comparison').toBeNull();
    expect(counts).toMatchObject({ written: 2 });
    expect(region.table.raw(t1)!.bodyText).toContain('changed');
    region.writes();
    await region.sweep();
    expect(region.writes()).toBe(0);
  });
});

describe('a recovery of a region with a backlog', () => {
  test('[law 4] puts and announces every revocation before anything else of what changed meanwhile', async () => {
    const region = await inSync();
    const { hub } = region;
    const [wider, deleted, other, disabled, another, narrowed] = keys(8);
    const fresh = [keyOf('aki_900'), keyOf('aki_901')];
    hub.set(wider!, { ...keyBody(), permissions: ['more'] });
    hub.remove(deleted!);
    hub.set(other!, { ...keyBody(), permissions: ['more'] });
    for (const key of fresh) hub.set(key, keyBody());
    hub.set(disabled!, keyBody('disabled'));
    hub.set(another!, { ...keyBody(), permissions: ['more'] });
    hub.set(narrowed!, { ...keyBody(), expiresAtMs: 1 });
    hub.set(c1, clusterBody('https://other.example'));
    hub.set(t1, { ...tenantBody(), status: 'suspended' });
    region.notes.length = 0;
    await region.sweep({ recovery: true });
    const tightening = [deleted, disabled, narrowed, t1].map((ref) => `written ${refText(ref!)}`);
    const written = region.notes.filter((note) => note.startsWith('written'));
    expect(new Set(written.slice(0, 4))).toEqual(new Set(tightening));
    expect(written).toHaveLength(10);
    const announced = region.feed().flat();
    const lastRevocation = Math.max(
      ...[`-${refText(deleted!)}`, refText(disabled!), refText(t1)].map((name) => announced.indexOf(name)),
    );
    expect(lastRevocation).toBeGreaterThanOrEqual(0);
    for (const ref of [wider, other, another, c1, ...fresh])
      expect(announced.indexOf(refText(ref!)), refText(ref!)).toBeGreaterThan(lastRevocation);
  });

  test('says that it goes on after every page of what changed, before it compares anything', async () => {
    const region = await inSync();
    for (const key of keys(8)) region.hub.set(key, keyBody('disabled'));
    let pages = 0;
    region.hub.onAsk = (what) => {
      if (what === 'range') region.hub.onAsk = undefined;
    };
    const onProgress = async () => {
      if (region.hub.onAsk) pages += 1;
    };
    await region.sweep({ recovery: true, onProgress });
    expect(pages, 'four pages of two, each gone over twice').toBe(8);
  });

  test('[law 4] says again at once that access was taken, where it was put and never announced', async () => {
    const region = await inSync();
    const [wider, deleted] = keys(8);
    region.hub.set(wider!, { ...keyBody(), permissions: ['more'] });
    region.hub.remove(deleted!);
    await region.publish(deleted!);
    region.clearFeed(); // as if the publisher had died between the two
    await region.sweep({ recovery: true });
    expect(region.feed()[0]).toEqual([`-${refText(deleted!)}`]);
  });
});

describe('a sweep that fails in the middle', () => {
  test.each(['put', 'announce', 'read', 'expire', 'raiseHighWater', 'setWhole'] as const)(
    '[law 3] at %s: the next one finishes the work',
    async (operation) => {
      const region = await inSync({ whole: false });
      region.table.identity!.whole = false;
      region.hub.remove(k0);
      await region.publish(k0);
      await region.sweep();
      region.table.identity!.whole = false;
      await region.clock.advance(8 * dayMs);
      region.hub.set(t1, tenantBody('changed'));
      region.table.delete(c1);
      const hit = region.store.failNext(operation);
      await expect(region.sweep()).rejects.toThrow(StoreError);
      expect(hit.wasHit()).toBe(true);
      await region.sweep();
      region.writes();
      expect(await region.sweep()).toEqual({ scanned: 9 });
      expect(region.writes()).toBe(0);
      expect(region.table.raw(t1)!.bodyText).toContain('changed');
      expect(region.table.identity!.whole).toBe(true);
    },
  );
});
