import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import type { SweepMark } from '../../hub/db/sweeps.ts';
import type { GuardPort } from '../../publisher/guard.ts';
import { type ContextOutcome, Publisher } from '../../publisher/publish.ts';
import { Sweep, type SweepOptions } from '../../publisher/sweep/sweep.ts';
import { ChaosStore } from '../support/chaos-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { FakeHub } from './fake-hub.ts';
import { openGuard } from './open-guard.ts';

const owner = { environment: 'test', region: 'r1', hubId: 'hub' };

/** A hub, a store and a publisher between them; everything but the hub is the real thing. */
export async function regionOfOne(options: { whole?: boolean; guard?: GuardPort } = {}) {
  const { guard = openGuard } = options;
  const clock = new VirtualClock();
  const memory = new MemoryStore({ clock });
  const store = new ChaosStore(memory);
  const { incarnation } = await memory.initialise(owner, { shards: 4, newIncarnation: 'inc' });
  await memory.setWhole(incarnation, options.whole ?? true);
  const hub = new FakeHub(clock, store);
  const notes: string[] = [];
  const makePublisher = (through = store) =>
    new Publisher({
      store: through,
      hub,
      guard,
      clock,
      putConcurrency: 4,
      snapshotAgeMaxMs: 60_000,
      onOutcome: (ref: ContextRef, outcome: ContextOutcome) => notes.push(`${outcome} ${refText(ref)}`),
    });
  const publisher = makePublisher();
  const region = {
    clock,
    table: memory.table,
    memory,
    store,
    hub,
    publisher,
    makePublisher,
    /** Every outcome of the publish step, in order. */
    notes,
    /** What sweeps left as it is for a person. */
    heldAhead: [] as string[],
    /** Where the last complete sweep got to; each `sweep()` goes on from there. */
    since: { mark: null, tail: [] } as SweepMark,
    publish: (...refs: ContextRef[]) => publisher.publish({ refs }),
    newSweep: (more: Partial<SweepOptions> = {}) =>
      new Sweep({
        store,
        hub,
        publisher,
        clock,
        since: region.since,
        recovery: false,
        pageRows: 3,
        settleMs: 0,
        tombstoneRetentionMs: 7 * 86_400_000,
        feedRetentionMs: 3_600_000,
        onProgress: async () => {},
        onHeldAhead: (ref, version) => region.heldAhead.push(`${refText(ref)} ${version}`),
        ...more,
      }),
    /** Runs one sweep to its end. Counts that are zero are left out. */
    async sweep(more: Partial<SweepOptions> = {}) {
      const sweep = region.newSweep(more);
      const ended = sweep.run(new AbortController().signal);
      [region.since] = await Promise.all([ended, clock.advance(more.settleMs ?? 0)]);
      return nonZero(sweep.counts);
    },
    /** The versions stored, `-` before a tombstone's, by `kind/key`. */
    stored: () =>
      Object.fromEntries(
        [...memory.table.contexts].map(([name, raw]) => [name, revisionText(raw.version, raw.bodyText)]),
      ),
    /** What was announced, entry by entry. */
    feed: () =>
      [...memory.table.feed.values()].map((entry) =>
        entry.announcements.map((one) => `${one.tombstone ? '-' : ''}${refText(one)}`),
      ),
    clearFeed() {
      memory.table.feed.clear();
    },
    /** Writes the store was asked for since the last time, whatever their outcome. */
    writes() {
      const count = store.count('put', 'announce', 'expire', 'setWhole', 'raiseHighWater');
      store.resetCounts();
      return count;
    },
  };
  return region;
}

export function nonZero(counts: object): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

function revisionText(version: unknown, bodyText: unknown): string {
  const revision = /^\d+\.0*(\d+)\./.exec(String(version))?.[1] ?? String(version);
  return bodyText === null ? `-${revision}` : revision;
}
