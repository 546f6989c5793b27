import { createCache } from 'async-cache-dedupe';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { LRUCache } from 'lru-cache';
import { systemClock } from '../../contexts/base/clock.ts';
import { seal } from '../../contexts/envelope.ts';
import type { KindName } from '../../contexts/kinds/index.ts';
import type { StoredItem } from '../../contexts/store.ts';
import { LoadingCache } from '../../spoke/cache/cache.ts';
import { defaultCacheSettings } from '../../spoke/cache/settings.ts';
import { seededRandom } from '../support/samples.ts';
import { median, table } from './report.ts';

const keysMax = 10_000;
const concurrent = 10_000;
const rounds = 21;
const getsARound = 200_000;

interface Contender {
  name: string;
  /** Runs gets of the keys, which are all held; returns how many values it saw, so that nothing is optimised away. */
  gets(keys: readonly string[]): number | Promise<number>;
  /** Loads that so many concurrent gets of one key that is not held cost. */
  coldFills(): Promise<number>;
  close?(): Promise<unknown>;
}

/**
 * What a hit costs, and what a herd at a cold key does, beside the caches that a Node service would otherwise use.
 * Every contender holds the same 10,000 keys; rounds are interleaved and shuffled, and the median round counts.
 */
export async function cache(): Promise<void> {
  const keys = Array.from({ length: keysMax }, (_, n) => `aki_${String(n).padStart(26, '0')}`);
  const random = seededRandom(7);
  const asked = Array.from({ length: getsARound }, () => keys[Math.floor(random.fraction() * keysMax)]!);
  const contenders = [
    bareGet(keys),
    await lruFetch(keys),
    await ours(keys),
    await dedupe(keys),
    await bento(keys),
  ];
  const nanoseconds = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    const order = contenders
      .map((contender) => ({ contender, at: random.fraction() }))
      .sort((a, b) => a.at - b.at);
    for (const { contender } of order) {
      const startedAt = process.hrtime.bigint();
      const seen = await contender.gets(asked);
      const tookNs = Number(process.hrtime.bigint() - startedAt);
      if (seen !== getsARound) throw new Error(`${contender.name} saw ${seen} of ${getsARound} values`);
      if (round > 0) nanoseconds.get(contender.name)!.push(tookNs / getsARound);
    }
  }
  const bare = median(nanoseconds.get(contenders[0]!.name)!);
  const rows: string[][] = [];
  for (const contender of contenders) {
    const ns = median(nanoseconds.get(contender.name)!);
    const fills = await contender.coldFills();
    rows.push([
      contender.name,
      ns.toFixed(0),
      (ns / bare).toFixed(2),
      `${(1000 / ns).toFixed(1)}`,
      String(fills),
    ]);
  }
  console.log(table(['', 'ns a hit', 'x bare get', 'million/s', `fills of ${concurrent} cold gets`], rows));
  const nearest = Math.min(...contenders.slice(3).map(({ name }) => median(nanoseconds.get(name)!)));
  const mine = median(nanoseconds.get(contenders[2]!.name)!);
  console.log(
    `\nthroughput of hits beside the nearest peer with comparable features: ${(nearest / mine).toFixed(1)} times`,
  );
  for (const { close } of contenders) await close?.();
}

function bareGet(keys: readonly string[]): Contender {
  const lru = new LRUCache<string, object>({ max: 2 * keysMax });
  for (const key of keys) lru.set(key, { key });
  return {
    name: 'lru-cache get (bare)',
    gets(asked) {
      let seen = 0;
      for (const key of asked) if (lru.get(key) !== undefined) seen += 1;
      return seen;
    },
    coldFills: async () => concurrent, // it has no loader: each caller that misses asks for itself
  };
}

async function lruFetch(keys: readonly string[]): Promise<Contender> {
  let loads = 0;
  const lru = new LRUCache<string, object>({
    max: 2 * keysMax,
    ttl: 3_600_000,
    fetchMethod: async (key) => {
      loads += 1;
      return { key };
    },
  });
  for (const key of keys) await lru.fetch(key);
  return {
    name: 'lru-cache fetch',
    async gets(asked) {
      let seen = 0;
      for (const key of asked) if ((await lru.fetch(key)) !== undefined) seen += 1;
      return seen;
    },
    async coldFills() {
      loads = 0;
      await Promise.all(Array.from({ length: concurrent }, () => lru.fetch('cold')));
      return loads;
    },
  };
}

async function ours(keys: readonly string[]): Promise<Contender> {
  let loads = 0;
  const identity = {
    ...{ environment: 'bench', region: 'bench', hubId: 'bench' },
    ...{ layoutVersion: 1, shards: 4, incarnation: 'bench', whole: true, highWater: null },
  };
  const cached = new LoadingCache<Record<KindName, object>>({
    settings: { ...defaultCacheSettings, unknownPerSecond: 1_000_000, unknownBurst: 1_000_000 },
    store: {
      async read(refs) {
        loads += refs.length;
        const items = new Map<string, StoredItem>();
        for (const { kind, key } of refs) {
          const sealed = seal({
            ...{ kind, key, epoch: 1, revision: 1, builtAtMs: 0 },
            body: { name: key, status: 'active' },
          });
          if (sealed.outcome === 'sealed')
            items.set(`${kind}/${key}`, { state: 'context', key, envelope: sealed.envelope });
        }
        return { items, identity };
      },
    },
    clock: systemClock,
    random: seededRandom(1),
    events: {
      lookedUp: () => {},
      filled: () => {},
      announced: () => {},
      undecodable: () => {},
      storeFailed: () => {},
      otherTable: () => {},
    },
    prepare: {
      tenant: (envelope) => ({ outcome: 'live', value: { key: envelope.key }, bytes: 100 }),
      cluster: (envelope) => ({ outcome: 'live', value: { key: envelope.key }, bytes: 100 }),
      'agent-key': (envelope) => ({ outcome: 'live', value: { key: envelope.key }, bytes: 100 }),
      heartbeat: (envelope) => ({ outcome: 'live', value: { key: envelope.key }, bytes: 100 }),
    },
    owns: () => true,
  });
  cached.pin('bench');
  for (const key of keys) await cached.get('tenant', key);
  return {
    name: 'spokecast',
    gets(asked) {
      let seen = 0;
      for (const key of asked) {
        const found = cached.get('tenant', key);
        if (!(found instanceof Promise) && found.state === 'present') seen += 1;
      }
      return seen;
    },
    async coldFills() {
      loads = 0;
      await Promise.all(Array.from({ length: concurrent }, () => cached.get('tenant', 'cold')));
      return loads;
    },
    close: () => cached.stop(),
  };
}

async function dedupe(keys: readonly string[]): Promise<Contender> {
  let loads = 0;
  const cached = createCache({
    ttl: 3600,
    stale: 3600,
    storage: { type: 'memory', options: { size: 2 * keysMax } },
  }).define('load', async (key: string) => {
    loads += 1;
    return { key };
  });
  for (const key of keys) await cached.load(key);
  return {
    name: 'async-cache-dedupe',
    async gets(asked) {
      let seen = 0;
      for (const key of asked) if ((await cached.load(key)) !== undefined) seen += 1;
      return seen;
    },
    async coldFills() {
      loads = 0;
      await Promise.all(Array.from({ length: concurrent }, () => cached.load('cold')));
      return loads;
    },
  };
}

async function bento(keys: readonly string[]): Promise<Contender> {
  let loads = 0;
  const cached = new BentoCache({
    default: 'memory',
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 2 * keysMax })) },
  });
  const load = (key: string) =>
    cached.getOrSet({
      key,
      ttl: '1h',
      grace: '1h',
      factory: () => {
        loads += 1;
        return { key };
      },
    });
  for (const key of keys) await load(key);
  return {
    name: 'bentocache',
    async gets(asked) {
      let seen = 0;
      for (const key of asked) if ((await load(key)) !== undefined) seen += 1;
      return seen;
    },
    async coldFills() {
      loads = 0;
      await Promise.all(Array.from({ length: concurrent }, () => load('cold')));
      return loads;
    },
    close: () => cached.disconnectAll(),
  };
}
