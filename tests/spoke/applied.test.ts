import { beforeEach, describe, expect, test } from 'vitest';
import type { Announcement } from '../../contexts/store.ts';
import { AppliedFeed } from '../../spoke/applied.ts';

/** A cache of which the test says what it owes. */
class World {
  readonly holds = new Set<string>();
  readonly owing = new Set<string>();
  readonly feed = new AppliedFeed({
    announced: (announcement) => {
      const ref = `${announcement.kind}/${announcement.key}`;
      if (this.holds.has(ref) && !announcement.tombstone) this.owing.add(ref);
    },
    suspectAll: () => {
      for (const ref of this.holds) this.owing.add(ref);
    },
    pin: () => {},
    owes: (ref) => this.owing.has(ref),
    held: () => this.holds,
  });

  hear(key: string, number: number, tombstone = false): void {
    this.feed.announced({ kind: 'tenant', key, version: 'v' as Announcement['version'], tombstone }, number);
  }
  read(key: string): void {
    this.owing.delete(`tenant/${key}`);
  }
  inForce(number: number): number {
    return this.feed.inForce({ incarnation: 'f', number }).number;
  }
}

describe('the feed is in force', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    for (const key of ['a', 'b', 'c']) world.holds.add(`tenant/${key}`);
  });

  test('to where it was read, where nothing is owed', () => {
    world.hear('unheld', 1);
    world.hear('a', 2, true);
    expect(world.inForce(5)).toBe(5);
  });

  test('up to before the first that is not read yet, in whatever order they are read', () => {
    world.hear('a', 3);
    world.hear('b', 5);
    world.hear('a', 6);
    expect(world.inForce(7)).toBe(2);
    world.read('b');
    expect(world.inForce(7)).toBe(2);
    world.read('a');
    expect(world.inForce(7)).toBe(7);
  });

  test('no further than the tail has read', () => {
    world.hear('a', 9);
    expect(world.inForce(4)).toBe(4);
  });

  test('nowhere while what is held is suspect, and again once all of it is verified', () => {
    world.hear('a', 3);
    world.feed.suspectAll();
    world.read('a');
    world.hear('a', 8);
    expect(world.inForce(9)).toBe(0);
    world.read('b');
    world.read('c');
    expect(world.inForce(9)).toBe(7);
    world.read('a');
    expect(world.inForce(9)).toBe(9);
  });

  test('[law 8] what is owed is forgotten when it is held no more', () => {
    for (let n = 1; n <= 30_000; n++) {
      world.holds.add(`tenant/k${n}`);
      world.hear(`k${n}`, n);
      world.holds.delete(`tenant/k${n - 1}`);
      world.read(`k${n - 1}`); // pushed out: nothing is owed for it any more
    }
    world.hear('a', 30_001);
    expect(world.inForce(30_002)).toBe(29_999);
    world.read('k30000');
    expect(world.inForce(30_002)).toBe(30_000);
  });
});
