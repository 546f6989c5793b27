import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import type { Announcement, Identity } from '../../contexts/store.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { MemoryTable } from '../../contexts/stores/memory-table.ts';
import { FeedTail } from '../../spoke/feed-tail.ts';
import { ChaosStore } from '../support/chaos-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { cacheWorld } from './support/cache-world.ts';
import {
  announcementOf,
  context,
  gone,
  initialise,
  keyContext,
  newDemo,
  owner,
  publish,
} from './support/contexts.ts';

const pollMs = 50;

/** A tail over a store in memory, and what it told. */
function tailWorld() {
  const clock = new VirtualClock();
  const table = new MemoryTable();
  const store = new ChaosStore(new MemoryStore({ clock, table }));
  const told: string[] = [];
  const steps: string[] = [];
  const identities: Identity[] = [];
  const tail = new FeedTail({
    store,
    clock,
    random: systemRandom,
    pollMs,
    readTimeoutMs: 1_000,
    listener: {
      announced: ({ key, version }: Announcement) => told.push(`${key}@${Number(version.split('.')[1])}`),
      suspectAll: () => told.push('suspect all'),
      pin: (incarnation) => told.push(`pin ${incarnation}`),
    },
    owns: (identity) => identity.region === owner.region,
    onIdentity: (identity) => identities.push(identity),
    onStep: (step) => {
      if (step !== 'idle' && step !== 'adrift') steps.push(step);
    },
    onError: (error) => steps.push(`error ${(error as Error).message}`),
  });
  return {
    clock,
    table,
    store,
    told,
    steps,
    tail,
    identities,
    /** Announces `count` tenants, one entry each, at revisions from the feed's number. */
    async announce(count = 1) {
      for (let i = 0; i < count; i++) {
        const { number } = await store.inner.readFeedHead();
        await store.announce(
          [announcementOf(context('tenant', 't', number + 1, { name: 'a', status: 'active' }))],
          0,
        );
      }
    },
    async [Symbol.asyncDispose]() {
      const stopped = tail.stop();
      await clock.advance(5_000);
      await stopped;
    },
  };
}

describe('the feed tail', () => {
  test('fixes its position before anything else and tells what comes after, in order', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    await world.announce(3);
    world.tail.start();
    await world.clock.advance(pollMs);
    expect(world.told).toEqual(['pin inc-1']);
    expect(world.tail.watermark).toBe(3);
    await world.announce(3);
    await world.clock.advance(pollMs);
    expect(world.told.slice(1)).toEqual(['t@4', 't@5', 't@6']);
    expect(world.tail.watermark).toBe(6);
  });

  test('reads a long feed in one go', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.clock.advance(pollMs);
    await world.announce(350);
    await world.clock.advance(pollMs);
    expect(world.told).toHaveLength(351);
    expect(world.tail.watermark).toBe(350);
    expect(world.told).not.toContain('suspect all');
  });

  test('[law 7] its age grows while it is adrift, however well the store answers', async () => {
    await using world = tailWorld();
    await initialise(world.store, { region: 'us-east-1' });
    world.tail.start();
    await world.clock.advance(10_000);
    expect(world.tail.adrift).toBe('the table belongs to another environment or region');
    expect(world.tail.failures).toBe(0);
    expect(world.tail.ageMs).toBe(10_000);
    expect(world.tail.loopAgeMs).toBeLessThan(1_000);
  });

  test('waits for the store, its table and its identity, and says what it waits for', async () => {
    await using world = tailWorld();
    const end = world.store.outage();
    world.tail.start();
    await world.clock.advance(1_000);
    expect(world.tail.adrift).toBe('the store has not been reached yet');
    expect(world.tail.failures).toBeGreaterThan(0);
    end();
    await world.clock.advance(3_000);
    expect(world.tail.adrift).toBe('the store has no table yet');
    await initialise(world.store, { region: 'us-east-1' });
    await world.clock.advance(1_000);
    expect(world.tail.adrift).toBe('the table belongs to another environment or region');
    world.table.drop();
    await initialise(world.store);
    await world.clock.advance(1_000);
    expect(world.tail.adrift).toBeUndefined();
    expect(world.told).toEqual(['pin inc-1']);
  });

  test('an outage costs nothing but time', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.clock.advance(pollMs);
    const end = world.store.outage();
    await world.clock.advance(60_000);
    expect(world.tail.ageMs).toBeGreaterThan(59_000);
    end();
    await world.announce(2);
    await world.clock.advance(2_000);
    expect(world.told).toEqual(['pin inc-1', 't@1', 't@2']);
  });

  test('a read that hangs is given up', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.clock.advance(pollMs);
    const gate = world.store.holdNext('readFeed');
    await world.announce();
    await world.clock.advance(3_000);
    expect(world.told).toContain('t@1');
    gate.open();
  });

  test('[law 3] a gap makes everything suspect, and what is beyond it is told all the same', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.announce(2);
    await world.clock.advance(pollMs);
    world.steps.length = 0;
    await world.announce(4);
    world.table.feed.delete(4);
    await world.clock.advance(pollMs);
    expect(world.steps).toEqual(['looking-again', 'gap']);
    expect(world.told.slice(-4)).toEqual(['t@3', 't@5', 't@6', 'suspect all']);
    expect(world.tail.watermark).toBe(6);
    await world.announce();
    await world.clock.advance(pollMs);
    expect(world.told.at(-1)).toBe('t@7');
  });

  test('entries that expired at the old end are a gap too', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.clock.advance(pollMs);
    await world.announce(5);
    world.table.feed.clear();
    await world.clock.advance(pollMs);
    expect(world.told).toEqual(['pin inc-1', 'suspect all']);
    expect(world.tail.watermark).toBe(5);
  });

  test('a head that is read before its entry can be seen is no gap', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.announce(1);
    await world.clock.advance(pollMs);
    await world.announce(1);
    const late = world.table.feed.get(2)!;
    world.table.feed.delete(2);
    const gate = world.store.holdNextAnswer('readFeed');
    await world.clock.advance(pollMs);
    world.table.feed.set(2, late);
    gate.open();
    await world.clock.advance(pollMs);
    expect(world.steps).toContain('looking-again');
    expect(world.told).not.toContain('suspect all');
    expect(world.told.at(-1)).toBe('t@2');
  });

  test('an entry whose announcer died before raising the head is told at once', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.announce(2);
    await world.clock.advance(pollMs);
    world.table.feed.set(3, { ...world.table.feed.get(2)!, number: 3 });
    await world.clock.advance(pollMs * 3);
    expect(world.told).not.toContain('suspect all');
    expect(world.tail.watermark).toBe(2);
    world.table.feedHead = { ...world.table.feedHead!, number: 3 };
    await world.clock.advance(pollMs);
    expect(world.tail.watermark).toBe(3);
  });

  test('a head below what was seen makes everything suspect', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.announce(5);
    await world.clock.advance(pollMs);
    for (let number = 3; number <= 5; number++) world.table.feed.delete(number);
    world.table.feedHead = { ...world.table.feedHead!, number: 2 };
    await world.clock.advance(pollMs);
    expect(world.told.at(-1)).toBe('suspect all');
    expect(world.tail.watermark).toBe(2);
    await world.announce();
    await world.clock.advance(pollMs);
    expect(world.told.at(-1)).toBe('t@3');
  });

  test('a table that was made anew makes everything suspect and is pinned', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.announce(5);
    await world.clock.advance(pollMs);
    world.table.drop();
    await initialise(world.store, { incarnation: 'inc-2' });
    await world.announce(1);
    await world.clock.advance(2_000);
    expect(world.told.slice(-2)).toEqual(['suspect all', 'pin inc-2']);
    expect(world.tail.watermark).toBe(1);
  });

  test('a recheck looks at the identity again', async () => {
    await using world = tailWorld();
    await initialise(world.store);
    world.tail.start();
    await world.clock.advance(pollMs);
    world.table.identity = { ...world.table.identity!, incarnation: 'inc-9' };
    world.tail.recheck();
    await world.clock.advance(pollMs);
    expect(world.told.slice(-2)).toEqual(['suspect all', 'pin inc-9']);
  });
});

describe('the tail and the cache together', () => {
  test('[law 6] a key asked for before it existed, then made, then revoked', async () => {
    await using world = await cacheWorld({ pin: false });
    const tail = new FeedTail({
      store: world.store,
      clock: world.clock,
      random: systemRandom,
      pollMs,
      readTimeoutMs: 1_000,
      listener: world.cache,
      owns: () => true,
      onIdentity: () => {},
      onStep: () => {},
      onError: () => {},
    });
    tail.start();
    await world.clock.advance(pollMs);
    const demo = newDemo();
    expect((await world.ask('agent-key', demo.keyId)).outcome).toBe('filled-absent');
    await publish(world.store, keyContext(demo, 1));
    await world.clock.advance(pollMs + 5);
    expect(world.peek('agent-key', demo.keyId)).toBe('hit');
    await publish(world.store, gone('agent-key', demo.keyId, 2));
    await world.clock.advance(pollMs + 5);
    expect(world.peek('agent-key', demo.keyId)).toBe('negative-hit');
    // A gap that swallows the key's return: found by the walk.
    await publish(world.store, keyContext(demo, 3));
    world.table.feed.clear();
    await world.clock.advance(2_000);
    expect(world.peek('agent-key', demo.keyId)).toBe('hit');
    const stopped = tail.stop();
    await world.clock.advance(2_000);
    await stopped;
  });
});
