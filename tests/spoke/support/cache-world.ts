import { systemRandom } from '../../../contexts/base/random.ts';
import type { KindName } from '../../../contexts/kinds/index.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { MemoryTable } from '../../../contexts/stores/memory-table.ts';
import { LoadingCache } from '../../../spoke/cache/cache.ts';
import type { KnownKeys } from '../../../spoke/cache/known-keys.ts';
import type { Lookup } from '../../../spoke/cache/outcomes.ts';
import { type CacheSettings, defaultCacheSettings } from '../../../spoke/cache/settings.ts';
import { type PreparedContexts, prepare } from '../../../spoke/prepared.ts';
import { ChaosStore } from '../../support/chaos-store.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { initialise, owner } from './contexts.ts';

/** A cache over a store in memory, on a clock that the test moves, and a list of everything that happened in it. */
export async function cacheWorld(
  options: { settings?: Partial<CacheSettings>; whole?: boolean; pin?: boolean; known?: KnownKeys } = {},
) {
  const clock = new VirtualClock();
  await clock.advance(1_000);
  const table = new MemoryTable();
  const store = new ChaosStore(new MemoryStore({ clock, table }));
  await initialise(store, { whole: options.whole ?? true });
  const events: string[] = [];
  const cache = new LoadingCache<PreparedContexts>({
    settings: { ...defaultCacheSettings, ...options.settings },
    store,
    clock,
    random: systemRandom,
    known: options.known,
    prepare,
    owns: (identity) => identity.region === owner.region,
    events: {
      lookedUp: (kind, outcome) => events.push(`lookup ${kind} ${outcome}`),
      filled: (kind, outcome) => events.push(`fill ${kind} ${outcome}`),
      announced: (kind, outcome) => events.push(`announced ${kind} ${outcome}`),
      undecodable: (ref, reason) => events.push(`undecodable ${ref} ${reason}`),
      storeFailed: (error) => events.push(`failed ${error instanceof Error ? error.message : error}`),
      otherTable: (identity) => events.push(`other table ${identity?.incarnation}`),
    },
  });
  if (options.pin ?? true) cache.pin('inc-1');
  store.resetCounts();

  /** Looks up and lets time run until there is an answer. */
  async function ask<Kind extends KindName>(
    kind: Kind,
    key: string,
    withinMs = 30_000,
  ): Promise<Lookup<PreparedContexts[Kind]>> {
    const found = cache.get(kind, key);
    if (!(found instanceof Promise)) return found;
    let lookup: Lookup<PreparedContexts[Kind]> | undefined;
    void found.then((settled) => {
      lookup = settled;
    });
    for (let waitedMs = 0; lookup === undefined && waitedMs <= withinMs; waitedMs++) await clock.advance(1);
    if (lookup === undefined) throw new Error(`no answer for ${kind}/${key}`);
    return lookup;
  }

  /** What a look-up gives right now, without waiting. */
  function peek(kind: KindName, key: string): string {
    const found = cache.get(kind, key);
    return found instanceof Promise ? 'waiting' : found.outcome;
  }

  return {
    clock,
    table,
    store,
    cache,
    events,
    ask,
    peek,
    async [Symbol.asyncDispose]() {
      const stopped = cache.stop();
      await clock.advance(20_000);
      await stopped;
    },
  };
}
