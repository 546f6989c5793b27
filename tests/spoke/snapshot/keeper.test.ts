import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../../contexts/base/random.ts';
import { encodeVersion } from '../../../contexts/revision.ts';
import type { Holding } from '../../../spoke/cache/holding.ts';
import { SnapshotKeeper } from '../../../spoke/snapshot/keeper.ts';
import type { ShelfJournal, SnapshotShelf } from '../../../spoke/snapshot/shelf.ts';
import { SimulatedShelf } from '../../simulation/shelf.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { markAt, regionOwner } from './region.ts';

const version = (revision: number) => encodeVersion({ epoch: 1, revision, schemaVersion: 1 });
const named = { kind: 'agent-key', key: 'aki_1' } as const;
const held: Holding = { ...named, version: version(1), bodyText: '{}', floor: undefined, suspect: false };
const revoked = { ...named, version: version(2), tombstone: true };

/** A keeper whose memory holds one key, over a disk that fails or hangs when it is told to. */
async function world() {
  const clock = new VirtualClock();
  const shelf = new SimulatedShelf();
  const disk = { fails: false, syncs: Promise.resolve(), setsAside: Promise.resolve() };
  const failing = () => {
    if (disk.fails) throw new Error('ENOSPC: no space left on device');
  };
  const opened = shelf.open({ name: 'g', is: 'gateway', dead: false });
  const wrapped: SnapshotShelf = {
    ...opened,
    async beginJournal(owner, mark) {
      failing();
      const journal = await opened.beginJournal(owner, mark);
      const append: ShelfJournal['append'] = journal.append.bind(journal);
      journal.append = async (...args) => {
        failing();
        await append(...args);
      };
      journal.sync = () => disk.syncs;
      return journal;
    },
    setAside: () => disk.setsAside.then(() => opened.setAside()),
  };
  const memory = new Map([['agent-key/aki_1', held]]);
  const at = { number: 7 };
  const failures: string[] = [];
  const keeper = new SnapshotKeeper({
    ...{ shelf: wrapped, clock, random: systemRandom, everyMs: 1_000 },
    cache: { refs: () => [...memory.keys()], holding: (ref) => memory.get(ref) },
    position: () => ({ ...markAt(0).position, number: at.number }),
    events: { written: () => {}, failed: (what) => failures.push(what) },
  });
  keeper.identified(regionOwner);
  keeper.start();
  await clock.advance(100);
  return {
    clock,
    shelf,
    disk,
    keeper,
    failures,
    memory,
    at,
    /** As the tail does: tells, then moves on. */
    hear() {
      memory.set('agent-key/aki_1', { ...held, version: version(2), bodyText: null });
      keeper.heard(revoked, 'tombstoned');
      at.number += 1;
    },
    async [Symbol.asyncDispose]() {
      const stopped = keeper.stop();
      await clock.advance(5_000);
      await stopped;
    },
  };
}

describe('the keeper', () => {
  test('[law 2] the watermark that others are told waits for the sync of what it covers', async () => {
    await using it = await world();
    const { clock, disk, keeper, at } = it;
    const sync = Promise.withResolvers<void>();
    disk.syncs = sync.promise;
    expect(keeper.settled(at.number)).toBe(7);
    it.hear();
    await clock.advance(500);
    expect(keeper.settled(at.number)).toBe(7);
    sync.resolve();
    await clock.advance(50);
    expect(keeper.settled(at.number)).toBe(8);
  });

  test('[law 2] what was heard is on disk before any snapshot follows it', async () => {
    await using it = await world();
    expect(it.shelf.load()?.holdings.get('agent-key/aki_1')?.bodyText).toBe('{}');
    it.hear();
    await it.clock.advance(1);
    expect(it.shelf.load()?.holdings.get('agent-key/aki_1')?.bodyText).toBeNull();
    expect(it.shelf.load()?.mark.position.number).toBe(8);
  });

  test('[law 2] [law 7] a full disk: it goes on and says so, and leaves nothing to boot from that lacks a revocation', async () => {
    await using it = await world();
    const { clock, disk, keeper, at, shelf } = it;
    disk.fails = true;
    it.hear();
    await clock.advance(5_000);
    expect(keeper.settled(at.number), 'nobody waits for a disk that will not').toBe(8);
    expect(keeper.trouble).toMatch(/cannot be written: ENOSPC/);
    expect(keeper.stats().state).toBe('incomplete');
    expect(shelf.load()).toBeUndefined();
    disk.fails = false;
    await clock.advance(2_000);
    expect(keeper.trouble).toBeUndefined();
    expect(shelf.load()?.holdings.get('agent-key/aki_1')?.bodyText).toBeNull();
  });

  test('[law 2] and the watermark that others are told waits until nobody can boot from that', async () => {
    await using it = await world();
    const { clock, disk, keeper, at, shelf } = it;
    const setAside = Promise.withResolvers<void>();
    disk.setsAside = setAside.promise;
    expect(keeper.settled(at.number)).toBe(7);
    disk.fails = true;
    it.hear();
    await clock.advance(50);
    expect(shelf.load()?.holdings.get('agent-key/aki_1')?.bodyText).toBe('{}');
    expect(keeper.settled(at.number)).toBe(7);
    setAside.resolve();
    await clock.advance(50);
    expect(shelf.load()).toBeUndefined();
    expect(keeper.settled(at.number)).toBe(8);
  });

  test('a snapshot that fails leaves the last one and its journals in place', async () => {
    await using it = await world();
    const { clock, disk, keeper, shelf } = it;
    it.hear();
    await clock.advance(50);
    disk.fails = true;
    await expect(keeper.write()).rejects.toThrow('ENOSPC');
    expect(shelf.load()?.holdings.get('agent-key/aki_1')?.bodyText).toBeNull();
  });

  test('[law 3] where announcements were missed, no place is marked until a snapshot tells what is suspect', async () => {
    await using it = await world();
    const { clock, disk, keeper, at, shelf, memory } = it;
    keeper.missed();
    memory.set('agent-key/aki_1', { ...held, suspect: true });
    at.number = 50;
    disk.fails = false;
    keeper.heard({ ...revoked, key: 'aki_2' }, 'tombstoned');
    expect(shelf.load()?.mark.position.number).toBe(7);
    await clock.advance(2_000);
    expect(shelf.load()?.mark.position.number).toBe(50);
    expect(shelf.load()?.holdings.get('agent-key/aki_1')?.suspect).toBe(true);
  });
});
