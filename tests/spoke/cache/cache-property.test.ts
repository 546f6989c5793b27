import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Envelope } from '../../../contexts/envelope.ts';
import { refText } from '../../../contexts/kinds/index.ts';
import type { VersionText } from '../../../contexts/revision.ts';
import { type ReadResult, type Store, StoreError } from '../../../contexts/store.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { LoadingCache } from '../../../spoke/cache/cache.ts';
import type { Lookup } from '../../../spoke/cache/outcomes.ts';
import { defaultCacheSettings } from '../../../spoke/cache/settings.ts';
import { type PreparedContexts, type PreparedTenant, prepare } from '../../../spoke/prepared.ts';
import { seededRandom } from '../../support/samples.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { announcementOf, context, gone, initialise } from '../support/contexts.ts';

/** What happens to the cache and its store. */
type Step =
  | { do: 'write'; key: number; dead: boolean }
  /** The next announcement reaches the cache. */
  | { do: 'hear' }
  /** All announcements under way are lost, and the tail notices the gap. */
  | { do: 'gap' }
  | { do: 'ask'; key: number }
  | { do: 'wait'; ms: number }
  /** From now on a read takes that long, and fails or not. What it returns is what was there when it began. */
  | { do: 'store'; latencyMs: number; fails: boolean };

const keys = 5;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), key: fc.nat(keys - 1), dead: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'hear' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'gap' as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), key: fc.nat(keys - 1) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 3, 20, 200, 5_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('store' as const),
      latencyMs: fc.constantFrom(0, 2, 15, 150, 3_000),
      fails: fc.boolean(),
    }),
  },
);

const lane = { batchesMax: 2, flightsMax: 4 };
const settings = {
  ...defaultCacheSettings,
  freshMs: 3_200,
  refreshMs: 4_800,
  staleMs: 9_000,
  absentMs: 3_000,
  retryMs: 200,
  unknownBurst: 1_000,
  lanes: { announced: lane, cold: lane, unknown: lane, background: lane },
};

/** The cache, a store that is slow and fails, and a model: plain maps that say what may be answered. */
class World {
  readonly clock = new VirtualClock();
  readonly memory = new MemoryStore({ clock: this.clock });
  readonly cache: LoadingCache<PreparedContexts>;
  latencyMs = 0;
  fails = false;
  revision = 0;
  /** The truth: what was written last. */
  readonly written = new Map<string, Envelope>();
  /** Announcements on their way, in the feed's order. */
  readonly feed: Envelope[] = [];
  /** The newest announcement of each key that reached the cache. */
  readonly heard = new Map<string, Envelope>();
  /** The newest version the cache has given for each key, as an answer or as a tombstone. */
  readonly given = new Map<string, { version: VersionText; dead: boolean }>();
  readonly held = new Set<string>();
  readonly #reading = new Set<string>();
  #batches = 0;

  readonly limits: { entriesMax: number; negativesMax: number };

  constructor(seed: number, limits: { entriesMax: number; negativesMax: number }) {
    this.limits = limits;
    const store: Pick<Store, 'read'> = { read: (refs) => this.#read(refs) };
    const nothing = () => {};
    this.cache = new LoadingCache<PreparedContexts>({
      settings: { ...settings, ...limits },
      store,
      clock: this.clock,
      random: seededRandom(seed),
      prepare,
      owns: () => true,
      events: {
        lookedUp: nothing,
        filled: nothing,
        announced: nothing,
        undecodable: nothing,
        storeFailed: (error) => {
          if (!(error instanceof StoreError)) throw error;
        },
        otherTable: nothing,
      },
    });
  }

  async #read(refs: Parameters<Store['read']>[0]): Promise<ReadResult> {
    const { latencyMs, fails } = this;
    const texts = refs.map(refText);
    for (const text of texts) {
      if (this.#reading.has(text)) throw new Error(`${text} is read twice at a time`);
      this.#reading.add(text);
    }
    this.#batches += 1;
    expect(this.#batches).toBeLessThanOrEqual(8);
    const result = await this.memory.read(refs);
    // Longer than the cache's patience: then it has let go of the key, and may read it again.
    const forgotten = this.clock.timer(settings.readTimeoutMs, () => this.#forget(texts));
    await this.clock.sleep(latencyMs);
    forgotten.cancel();
    if (latencyMs < settings.readTimeoutMs) this.#forget(texts);
    this.#batches -= 1;
    if (fails) throw new StoreError('STORE_UNAVAILABLE', 'as the test wants');
    return result;
  }

  #forget(texts: readonly string[]): void {
    for (const text of texts) this.#reading.delete(text);
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case 'write': {
        const key = `ten_${step.key}`;
        const revision = ++this.revision;
        const name = String(revision);
        const envelope = step.dead
          ? gone('tenant', key, revision)
          : context('tenant', key, revision, { name, status: 'active' });
        await this.memory.put(envelope);
        this.written.set(key, envelope);
        this.feed.push(envelope);
        return;
      }
      case 'hear': {
        const envelope = this.feed.shift();
        if (envelope === undefined) return;
        this.heard.set(envelope.key, envelope);
        const outcome = this.cache.announced(announcementOf(envelope));
        if (outcome === 'tombstoned') this.#note(envelope.key, envelope.version, true);
        return settle(); // what was answered by this is told before the next is heard
      }
      case 'gap':
        this.feed.length = 0;
        this.heard.clear();
        this.cache.suspectAll();
        return;
      case 'ask':
        return this.ask(`ten_${step.key}`);
      case 'wait':
        return this.clock.advance(step.ms);
      case 'store':
        this.latencyMs = step.latencyMs;
        this.fails = step.fails;
    }
  }

  ask(key: string): void {
    const found = this.cache.get('tenant', key);
    if (!(found instanceof Promise)) {
      this.#check(key, found);
      return;
    }
    // Law 7: what is held is never asked for again before it is answered.
    if (this.limits.entriesMax > keys)
      expect(this.held.has(key), `${key} was held and is asked for`).toBe(false);
    void found.then((lookup) => this.#check(key, lookup));
  }

  readonly violations: string[] = [];

  #check(key: string, lookup: Lookup<PreparedTenant>): void {
    const fault = this.#fault(key, lookup);
    if (fault !== undefined) this.violations.push(`${key}: ${fault} (${JSON.stringify(lookup)})`);
    if (lookup.state === 'present') {
      this.#note(key, lookup.version, false);
      this.held.add(key);
    }
    if (lookup.state === 'absent') this.held.delete(key);
  }

  /** Which law this answer breaks. */
  #fault(key: string, lookup: Lookup<PreparedTenant>): string | undefined {
    const given = this.given.get(key);
    const heard = this.heard.get(key);
    const truth = this.written.get(key);
    if (lookup.state === 'failed')
      return this.held.has(key) && this.limits.entriesMax > keys ? 'a failure took a value away' : undefined;
    if (lookup.state === 'absent') {
      if (truth === undefined || truth.bodyText === null) return undefined;
      if (heard?.bodyText != null && heard.version === truth.version)
        return 'denied although it was announced as live';
      return undefined;
    }
    if (given !== undefined && lookup.version < given.version)
      return `older than ${given.version}, which was given before`;
    if (given?.dead && lookup.version <= given.version) return 'a tombstone lives again';
    if (lookup.outcome !== 'stale' && heard !== undefined && lookup.version < heard.version)
      return `older than what was announced, ${heard.version}`;
    return undefined;
  }

  #note(key: string, version: VersionText, dead: boolean): void {
    const before = this.given.get(key);
    if (before === undefined || version > before.version || (version === before.version && dead))
      this.given.set(key, { version, dead });
    if (dead) this.held.delete(key);
  }
}

async function run(
  steps: Step[],
  seed: number,
  limits: { entriesMax: number; negativesMax: number },
): Promise<void> {
  const world = new World(seed, limits);
  await world.clock.advance(1_000);
  await initialise(world.memory);
  world.cache.pin('inc-1');
  try {
    for (const one of steps) {
      await world.do(one);
      expect(world.violations).toEqual([]);
      const { entries, negatives, flights } = world.cache.stats();
      expect(entries).toBeLessThanOrEqual(limits.entriesMax);
      expect(negatives).toBeLessThanOrEqual(limits.negativesMax);
      expect(flights).toBeLessThanOrEqual(12);
    }
    // Law 3: once the trouble ends, what is answered is the truth.
    world.latencyMs = 0;
    world.fails = false;
    while (world.feed.length > 0) await world.do({ do: 'hear' });
    await world.clock.advance(30_000);
    for (let key = 0; key < keys; key++) world.ask(`ten_${key}`);
    await world.clock.advance(1_000);
    expect(world.violations).toEqual([]);
    expect(world.cache.stats()).toMatchObject({ flights: 0, waiters: 0, batches: 0, suspects: 0 });
    for (let key = 0; key < keys; key++) {
      const truth = world.written.get(`ten_${key}`);
      const found = world.cache.get('tenant', `ten_${key}`);
      if (found instanceof Promise) {
        await world.clock.advance(10);
        continue; // evicted: read anew, and checked as that
      }
      if (truth?.bodyText == null) expect(found.state).toBe('absent');
      else expect(found).toMatchObject({ state: 'present', version: truth.version });
    }
    await world.clock.advance(1_000);
    expect(world.violations).toEqual([]);
  } finally {
    const stopped = world.cache.stop();
    await world.clock.advance(20_000);
    await stopped;
  }
}

describe('the cache against its model', () => {
  const runs = { numRuns: 1_000 };
  const history = fc.array(step, { minLength: 5, maxLength: 60 });

  test('[law 2] [law 3] [law 7] nothing goes back, nothing is lost, everything converges', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer(), (steps, seed) =>
        run(steps, seed, { entriesMax: 50, negativesMax: 50 }),
      ),
      runs,
    );
  });

  test('[law 2] [law 8] the same while entries are evicted all the time', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer(), (steps, seed) =>
        run(steps, seed, { entriesMax: 2, negativesMax: 1 }),
      ),
      runs,
    );
  });
});
