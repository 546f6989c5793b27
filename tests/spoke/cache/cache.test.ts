import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../contexts/store.ts';
import { cacheWorld } from '../support/cache-world.ts';
import {
  announcementOf,
  clusterContext,
  gone,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from '../support/contexts.ts';

describe('looking up', () => {
  test('fills once, then hits without a promise', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 5));
    const filled = await world.ask('tenant', demo.tenantId);
    expect(filled).toMatchObject({ state: 'present', outcome: 'filled', value: { status: 'active' } });
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'active' },
    });
    expect(world.store.count('read')).toBe(1);
  });

  test('joins look-ups of one key, and batches those of several', async () => {
    await using world = await cacheWorld();
    const demos = Array.from({ length: 150 }, newDemo);
    for (const demo of demos) await world.store.put(tenantContext(demo, 1));
    const answers = demos.flatMap((demo) => [
      world.cache.get('tenant', demo.tenantId),
      world.cache.get('tenant', demo.tenantId),
    ]);
    await world.clock.advance(5);
    const outcomes = (await Promise.all(answers)).map((lookup) => lookup.outcome);
    expect(outcomes.filter((outcome) => outcome === 'filled')).toHaveLength(150);
    expect(outcomes.filter((outcome) => outcome === 'coalesced')).toHaveLength(150);
    expect(world.store.count('read')).toBe(2); // 99 and 51
  });

  test('an absence is a value, and so is a tombstone', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    expect(await world.ask('tenant', demo.tenantId)).toMatchObject({
      outcome: 'filled-absent',
      why: 'unknown',
    });
    expect(world.peek('tenant', demo.tenantId)).toBe('negative-hit');
    await world.store.put(gone('cluster', demo.clusterId, 3));
    expect(await world.ask('cluster', demo.clusterId)).toMatchObject({
      outcome: 'filled-absent',
      why: 'tombstone',
    });
    expect(world.store.count('read')).toBe(2);
  });

  test('reads nothing before the table is pinned, nor after the stop', async () => {
    const world = await cacheWorld({ pin: false });
    expect(world.peek('tenant', 'ten_1')).toBe('unavailable');
    world.cache.pin('inc-1');
    const waiting = world.cache.get('tenant', 'ten_1');
    await world[Symbol.asyncDispose]();
    expect((await waiting).outcome).toBe('unavailable');
    expect(world.peek('tenant', 'ten_1')).toBe('unavailable');
    expect(world.store.count('read')).toBe(0);
  });

  test('refreshes behind the caller once an entry is due', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    await world.store.put(tenantContext(demo, 2, { status: 'suspended' })); // never announced
    await world.clock.advance(300_000);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'active' },
    });
    await world.clock.advance(1);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'suspended' },
    });
    expect(world.store.count('read')).toBe(2);
  });

  test('an absence that is due is served, and read again behind the caller', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.ask('tenant', demo.tenantId);
    await world.store.put(tenantContext(demo, 1)); // its announcement is lost
    await world.clock.advance(100_000);
    expect(world.peek('tenant', demo.tenantId)).toBe('negative-hit');
    await world.clock.advance(5);
    expect(world.peek('tenant', demo.tenantId)).toBe('hit');
  });
});

describe('[law 7] a store that fails', () => {
  test('never removes a value, and is told of as stale', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await publish(world.store, tenantContext(demo, 1), gone('agent-key', demo.keyId, 2));
    await world.ask('tenant', demo.tenantId);
    await world.ask('agent-key', demo.keyId);
    await world.ask('cluster', demo.clusterId);
    const end = world.store.outage();
    for (let minute = 0; minute < 60; minute++) {
      await world.clock.advance(60_000);
      expect(['hit', 'stale']).toContain(world.peek('tenant', demo.tenantId));
      expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
      expect(world.peek('cluster', demo.clusterId)).toBe('negative-hit');
    }
    expect(world.peek('tenant', demo.tenantId)).toBe('stale');
    end();
    await world.clock.advance(20_000);
    world.peek('tenant', demo.tenantId);
    await world.clock.advance(20_000);
    expect(world.peek('tenant', demo.tenantId)).toBe('hit');
  });

  test('answers what is not held as unavailable, at once when it fails and in time when it hangs', async () => {
    await using world = await cacheWorld();
    world.store.failNext('read');
    expect((await world.ask('tenant', 'ten_1')).outcome).toBe('unavailable');
    const gate = world.store.holdNext('read', 100);
    const startedAt = world.clock.monotonic();
    expect((await world.ask('tenant', 'ten_2')).outcome).toBe('unavailable');
    expect(world.clock.monotonic() - startedAt).toBeLessThanOrEqual(2_001);
    gate.open();
  });

  test('a revoked key does not live again when refreshes fail', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await publish(world.store, keyContext(demo, 1));
    await world.ask('agent-key', demo.keyId);
    world.cache.announced(announcementOf(gone('agent-key', demo.keyId, 2)));
    const end = world.store.outage();
    await world.clock.advance(200_000);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    await world.clock.advance(5_000);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    end();
  });

  test('a store that still returns the revoked key does not bring it back', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(keyContext(demo, 1));
    await world.ask('agent-key', demo.keyId);
    world.cache.announced(announcementOf(gone('agent-key', demo.keyId, 2)));
    world.cache.suspectAll();
    await world.clock.advance(200_000);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
  });
});

describe('announcements', () => {
  test('of a key that is neither held nor read are ignored', async () => {
    await using world = await cacheWorld();
    expect(world.cache.announced(announcementOf(tenantContext(newDemo(), 1)))).toBe('ignored');
    await world.clock.advance(1_000);
    expect(world.store.count('read')).toBe(0);
  });

  test('[law 6] supersede: the old one is served until the newer one is read', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    const next = tenantContext(demo, 2, { status: 'suspended' });
    await world.store.put(next);
    expect(world.cache.announced(announcementOf(next))).toBe('superseded');
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'stale',
      value: { status: 'active' },
    });
    await world.clock.advance(1);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'suspended' },
    });
    expect(world.cache.announced(announcementOf(next))).toBe('known');
  });

  test('[law 6] a tombstone is in force at once, without a read', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(keyContext(demo, 1));
    await world.ask('agent-key', demo.keyId);
    expect(world.cache.announced(announcementOf(gone('agent-key', demo.keyId, 2)))).toBe('tombstoned');
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    expect(world.store.count('read')).toBe(1);
    expect(world.cache.announced(announcementOf(keyContext(demo, 1)))).toBe('known');
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
  });

  test('[law 6] a negative entry from before the key existed is not served while it is read again', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.ask('agent-key', demo.keyId);
    const gate = world.store.holdNextAnswer('read');
    await publish(world.store, keyContext(demo, 1));
    world.cache.announced(announcementOf(keyContext(demo, 1)));
    expect(world.peek('agent-key', demo.keyId)).toBe('waiting');
    await world.clock.advance(1);
    gate.open();
    await world.clock.advance(1);
    expect(world.peek('agent-key', demo.keyId)).toBe('hit');
  });

  test('a key that was revoked and vanished from the store may come back by a newer revision only', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(keyContext(demo, 1));
    await world.ask('agent-key', demo.keyId);
    world.cache.announced(announcementOf(gone('agent-key', demo.keyId, 5)));
    world.cache.announced(announcementOf(keyContext(demo, 4)));
    await world.clock.advance(5_000);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    await publish(world.store, keyContext(demo, 6));
    world.cache.announced(announcementOf(keyContext(demo, 6)));
    await world.clock.advance(5);
    expect(world.peek('agent-key', demo.keyId)).toBe('hit');
  });

  test('[law 2] a fill that began before an announcement is not stored after it', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    const gate = world.store.holdNextAnswer('read'); // it has read revision 1
    const asked = world.cache.get('tenant', demo.tenantId);
    await world.clock.advance(2);
    expect(gate.wasHit()).toBe(true);
    const next = tenantContext(demo, 2, { status: 'suspended' });
    await publish(world.store, next);
    expect(world.cache.announced(announcementOf(next))).toBe('superseded');
    gate.open();
    await world.clock.advance(100);
    expect(await asked).toMatchObject({ outcome: 'filled', value: { status: 'suspended' } });
    expect(world.events).toContain('fill tenant behind');
  });

  test('[law 2] a tombstone announced while the key is being read wins over what was read', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(keyContext(demo, 1));
    const gate = world.store.holdNextAnswer('read');
    const asked = world.cache.get('agent-key', demo.keyId);
    await world.clock.advance(2);
    world.cache.announced(announcementOf(gone('agent-key', demo.keyId, 2)));
    expect(await asked).toMatchObject({ state: 'absent', why: 'tombstone' });
    gate.open();
    await world.clock.advance(100);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    expect(world.store.count('read')).toBe(1);
  });

  test('a store that lags behind what it announced is asked again, and in the end the walk takes over', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    const next = tenantContext(demo, 2, { status: 'suspended' });
    world.cache.announced(announcementOf(next)); // announced, but a replica does not have it yet
    await world.clock.advance(20_000);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'stale',
      value: { status: 'active' },
    });
    expect(world.cache.stats().suspects + world.cache.stats().flights).toBeGreaterThan(0);
    await world.store.put(next);
    await world.clock.advance(20_000);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'suspended' },
    });
    expect(world.cache.stats()).toMatchObject({ suspects: 0, flights: 0 });
  });
});

describe('absence is evidence only from a whole table of the pinned incarnation', () => {
  test('a table that is not whole denies nobody', async () => {
    await using world = await cacheWorld({ whole: false });
    const demo = newDemo();
    expect((await world.ask('tenant', demo.tenantId)).outcome).toBe('not-whole');
    expect((await world.ask('tenant', demo.tenantId)).outcome).toBe('not-whole'); // not kept
    await world.store.put(tenantContext(demo, 1));
    expect((await world.ask('tenant', demo.tenantId)).outcome).toBe('filled');
    await world.store.setWhole('inc-1', true);
    expect((await world.ask('cluster', demo.clusterId)).outcome).toBe('filled-absent');
  });

  test('a table of another incarnation takes nothing away, and is reported', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    world.table.identity = { ...world.table.identity!, incarnation: 'inc-2' };
    world.table.contexts.clear();
    world.cache.suspectAll();
    await world.clock.advance(5_000);
    expect(world.peek('tenant', demo.tenantId)).toBe('stale');
    expect((await world.ask('cluster', demo.clusterId)).outcome).toBe('not-whole');
    expect(world.events).toContain('other table inc-2');
    world.cache.pin('inc-2'); // whole as well: now it counts
    await world.clock.advance(15_000);
    expect(world.peek('tenant', demo.tenantId)).toBe('negative-hit');
  });

  test("nothing is believed of another's table", async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    world.table.identity = { ...world.table.identity!, region: 'us-east-1' };
    expect((await world.ask('tenant', demo.tenantId)).outcome).toBe('unavailable');
  });
});

describe('items that cannot be read', () => {
  test('keep the last good one, and are 503 where there is none', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    await world.store.put(clusterContext(demo, 1));
    for (const raw of world.table.contexts.values()) raw.hash = 'edited';
    world.cache.suspectAll();
    await world.clock.advance(1_000);
    expect(world.peek('tenant', demo.tenantId)).toBe('stale');
    expect((await world.ask('cluster', demo.clusterId)).outcome).toBe('undecodable');
    const reads = world.store.count('read');
    expect(world.peek('cluster', demo.clusterId)).toBe('undecodable'); // kept for a moment: no read storm
    expect(world.store.count('read')).toBe(reads);
    const repaired = clusterContext(demo, 2);
    await world.store.put(repaired, { replacing: clusterContext(demo, 1).version });
    world.cache.announced(announcementOf(repaired));
    await world.clock.advance(50);
    expect(world.peek('cluster', demo.clusterId)).toBe('hit');
  });
});

describe('[law 8] bounds', () => {
  test('a flood of unknown keys costs a fixed rate of reads, and known keys do not feel it', async () => {
    await using world = await cacheWorld({
      settings: { unknownPerSecond: 100, unknownBurst: 200, negativesMax: 500 },
    });
    const known = Array.from({ length: 50 }, newDemo);
    for (const demo of known) await world.store.put(tenantContext(demo, 1));
    for (const demo of known) await world.ask('tenant', demo.tenantId);
    world.events.length = 0;
    for (let second = 0; second < 10; second++) {
      for (let i = 0; i < 1_000; i++) world.cache.get('tenant', `ten_unknown_${second}_${i}`);
      await world.clock.advance(1_000);
    }
    const fills = world.events.filter((event) => event === 'fill tenant absent').length;
    expect(fills).toBeGreaterThan(1_000);
    expect(fills).toBeLessThanOrEqual(200 + 10 * 100);
    expect(world.events).toContain('lookup tenant overloaded');
    expect(world.cache.stats()).toMatchObject({ negatives: 500, entries: 50, flights: 0 });
    for (const demo of known) expect(world.peek('tenant', demo.tenantId)).toBe('hit');
  });

  test('known keys that are read cost nothing of the budget', async () => {
    await using world = await cacheWorld({ settings: { unknownPerSecond: 1, unknownBurst: 10 } });
    for (let i = 0; i < 100; i++) {
      const demo = newDemo();
      await world.store.put(tenantContext(demo, 1));
      expect((await world.ask('tenant', demo.tenantId)).outcome).toBe('filled');
    }
  });

  test('entries, bytes, keys in flight, waiters and batches stay below their bounds', async () => {
    const lane = { batchesMax: 2, flightsMax: 300 };
    const settings = { entriesMax: 100, bytesMax: 100_000, unknownBurst: 10_000, waitersMax: 400 };
    await using world = await cacheWorld({
      settings: { ...settings, lanes: { announced: lane, cold: lane, unknown: lane, background: lane } },
    });
    const gate = world.store.holdNextAnswer('read', 2);
    const demos = Array.from({ length: 500 }, newDemo);
    for (const demo of demos) await world.store.put(tenantContext(demo, 1));
    const asked = demos.map((demo) => world.cache.get('tenant', demo.tenantId));
    for (let i = 0; i < 200; i++) world.cache.get('tenant', demos[0]!.tenantId);
    await world.clock.advance(5);
    expect(world.cache.stats()).toMatchObject({ flights: 300, waiters: 400, batches: 2 });
    expect(gate.arrived).toBe(2);
    gate.open();
    await world.clock.advance(100);
    const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'filled')).toHaveLength(300);
    expect(outcomes.filter((outcome) => outcome === 'overloaded')).toHaveLength(200);
    expect(world.cache.stats().entries).toBeLessThanOrEqual(100);
    expect(world.cache.stats().bytes).toBeLessThanOrEqual(100_000);
    expect(world.cache.stats()).toMatchObject({ flights: 0, waiters: 0, batches: 0 });
  });
});

describe('suspects', () => {
  test('all entries are read again, asked for or not, a batch at a time', async () => {
    await using world = await cacheWorld();
    const demos = Array.from({ length: 300 }, newDemo);
    for (const demo of demos) await world.store.put(tenantContext(demo, 1));
    for (const demo of demos) world.cache.get('tenant', demo.tenantId);
    await world.clock.advance(100);
    for (const demo of demos) await world.store.put(tenantContext(demo, 2, { status: 'suspended' }));
    world.store.resetCounts();
    world.cache.suspectAll();
    expect(world.peek('tenant', demos[0]!.tenantId)).toBe('stale');
    await world.clock.advance(1_000);
    for (const demo of demos) {
      expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
        outcome: 'hit',
        value: { status: 'suspended' },
      });
    }
    expect(world.store.count('read')).toBeLessThanOrEqual(5);
    expect(world.cache.stats().suspects).toBe(0);
  });

  test('a fill that was under way when announcements were missed stays suspect', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    const gate = world.store.holdNextAnswer('read');
    void world.cache.get('tenant', demo.tenantId);
    await world.clock.advance(2);
    await world.store.put(tenantContext(demo, 2, { status: 'suspended' })); // its announcement is what was missed
    world.cache.suspectAll();
    gate.open();
    await world.clock.advance(1_000);
    expect(world.cache.get('tenant', demo.tenantId)).toMatchObject({
      outcome: 'hit',
      value: { status: 'suspended' },
    });
  });

  test('stay suspect while the store is gone, and are read once it is back', async () => {
    await using world = await cacheWorld();
    const demo = newDemo();
    await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', demo.tenantId);
    const end = world.store.outage(new StoreError('STORE_THROTTLED', 'slow down'));
    world.cache.suspectAll();
    await world.clock.advance(60_000);
    expect(world.cache.stats().suspects + world.cache.stats().flights).toBe(1);
    expect(world.store.count('read')).toBeLessThan(40); // it backs off
    end();
    await world.clock.advance(20_000);
    expect(world.cache.stats().suspects).toBe(0);
    expect(world.peek('tenant', demo.tenantId)).toBe('hit');
  });
});
