import { systemClock } from '../../contexts/base/clock.ts';
import { percentile } from '../replication/support/watching.ts';
import { fillHub, keyIds } from './support/fixture.ts';
import { type Mood, MoodyServer, moods } from './support/moody-server.ts';
import { equal, line, milliseconds } from './support/printing.ts';
import { peakRssMib, resetPeakRss } from './support/process-memory.ts';
import { type Backend, Rig, type RigProcess, type RigStore } from './support/rig.ts';
import { outboxIdle, sweepsIdle, until } from './support/waiting.ts';

export interface BulkheadsOptions {
  /** How many regions; the first is the one in trouble. */
  regions: readonly number[];
  backend: Backend;
  /** Changes of other regions a run, each a transaction and of one region. */
  changes: number;
  changesPerSecond: number;
  /** Runs of each mood, each beside a healthy one. */
  rounds: number;
}

const storeTimeoutMs = 2000;
const keysPerRegion = 20;

/**
 * What one region in trouble costs the others: commit to store of changes of each of them, from the first moment of
 * the trouble, beside runs in which nobody is in trouble, in turns. The troubled region has its share of the changes
 * too, in all runs alike. Its store is dynalite behind a server that misbehaves; those of the others are in the
 * publisher's memory, so that they cost next to nothing and the publisher is what is measured.
 */
export async function bulkheads(options: BulkheadsOptions): Promise<void> {
  for (const regions of options.regions) await measure(regions, options);
}

async function measure(regions: number, options: BulkheadsOptions): Promise<void> {
  console.log(`\n## ${regions} regions, queues in ${options.backend}`);
  await using rig = await Rig.start({ backend: options.backend });
  const store = await rig.addStore('r01');
  await using server = await MoodyServer.start(store.endpoint, storeTimeoutMs - 100);
  const names = Array.from({ length: regions }, (_, at) => `r${String(at + 1).padStart(2, '0')}`);
  await rig.addRegion({ ...store, endpoint: server.url });
  for (const region of names.slice(1))
    await rig.addRegion({ region, endpoint: 'http://memory', table: region });
  await fillHub(rig.sql, { tenants: 1, clusters: regions, keys: keysPerRegion * regions }, names, 'one-each');
  const publisher = await rig.startTellingPublisher({
    SPOKECAST_STORE_TIMEOUT_MS: String(storeTimeoutMs),
    SPOKECAST_QUEUE_CONNECTIONS_MAX: String(Math.max(100, 3 * regions)),
  });
  await sweepsIdle(rig.sql, regions);
  const bench = { rig, publisher, server, store, regions, options };
  await run(bench, 'healthy'); // warms everything, and is not counted
  for (const mood of moods.filter((one) => one !== 'healthy')) {
    const runs = { healthy: [] as number[], [mood]: [] as number[] };
    for (let round = 0; round < options.rounds; round++) {
      for (const each of round % 2 === 0 ? (['healthy', mood] as const) : ([mood, 'healthy'] as const))
        runs[each]!.push(...(await run(bench, each)));
    }
    const ratio = (p: number) => (percentile(runs[mood]!, p) / percentile(runs.healthy, p)).toFixed(2);
    line(`others, ${mood} / healthy`, `p50 ${ratio(0.5)}   p99 ${ratio(0.99)}   (goal: p99 within 1.20)`);
  }
}

interface Bench {
  rig: Rig;
  publisher: RigProcess;
  server: MoodyServer;
  store: RigStore;
  regions: number;
  options: BulkheadsOptions;
}

/** One run. Returns the latency of each change of a region that is not in trouble. */
async function run(bench: Bench, mood: Mood): Promise<number[]> {
  const { rig, publisher, server, regions, options } = bench;
  await toldBy(publisher);
  resetPeakRss(publisher.pid);
  const states = new Set<string>();
  const watching = new AbortController();
  const watched = watchState(publisher, states, watching.signal);
  server.become(mood);
  const committed = await changeAtRate(bench);
  const wanted = [...committed.values()].filter(({ region }) => region !== 0).length;
  const told = new Map<string, Told[]>();
  const stored = () =>
    [...committed].filter(([change, { region }]) => region !== 0 && storedAt(told, change));
  let seenMs = systemClock.monotonic();
  await until(
    async () => {
      const more = await toldBy(publisher);
      for (const [, key, permissions, atMs] of more)
        told.set(key, [...(told.get(key) ?? []), { at: numberOf(permissions), atMs }]);
      if (more.length > 0) seenMs = systemClock.monotonic();
      const found = stored().length;
      if (found < wanted && systemClock.monotonic() - seenMs > silenceMaxMs)
        throw new Error(
          `${wanted - found} of ${wanted} changes of the others were not stored; nothing was for a minute`,
        );
      return found;
    },
    (found) => found >= wanted,
  );
  watching.abort();
  await watched;
  const peakMib = peakRssMib(publisher.pid);
  const latenciesMs: number[] = [];
  for (const [change, { region, atMs }] of committed)
    if (region !== 0) latenciesMs.push((storedAt(told, change) ?? Number.NaN) - atMs);
  equal('changes stored in the others', latenciesMs.filter(Number.isFinite).length, options.changes);
  line(
    mood,
    `${milliseconds(latenciesMs)}   peak RSS ${peakMib.toFixed(0)} MiB   its state: ${[...states].join(', ')}`,
  );
  server.become('healthy');
  await until(
    () => stateOf(publisher),
    (state) => state === 'open',
  );
  await sweepsIdle(rig.sql, regions);
  await outboxIdle(rig.sql);
  await caughtUp(bench, committed);
  return latenciesMs;
}

const silenceMaxMs = 60_000;

interface Told {
  at: number;
  atMs: number;
}

/**
 * When a change was stored, or what came after it of the same key: of two that follow each other closely only the
 * later may ever be put, and waiting for the earlier one would be for ever.
 */
function storedAt(told: ReadonlyMap<string, readonly Told[]>, change: string): number | undefined {
  const [key, permission] = change.split(' ');
  return told.get(key!)?.find((one) => one.at >= numberOf(permission!))?.atMs;
}

/** Of a permission, which names its change by the run and a number that only grows. */
function numberOf(permission: string): number {
  return Number(permission.split('.')[1]);
}

interface Committed {
  region: number;
  atMs: number;
}

/** Commits the changes at the given rate, region after region, by `key permissions`. */
async function changeAtRate({ rig, regions, options }: Bench): Promise<Map<string, Committed>> {
  const total = Math.round((options.changes * regions) / (regions - 1));
  const committed = new Map<string, Committed>();
  const ids = keyIds(1, keysPerRegion * regions);
  const name = `p${Math.round(systemClock.now())}`;
  const startedAt = systemClock.monotonic();
  let next = 0;
  let others = 0;
  const work = async () => {
    for (let at = next++; others < options.changes && at < 2 * total; at = next++) {
      const dueMs = (at / options.changesPerSecond) * 1000;
      await systemClock.sleep(Math.max(0, dueMs - (systemClock.monotonic() - startedAt)));
      const region = at % regions; // keys go round the regions as well: see `fillHub`
      if (region !== 0) others += 1;
      if (others > options.changes) return;
      const permission = `${name}.${at}`;
      const key = ids[at % ids.length]!;
      await rig.sql`update agent_keys set permissions = ${[permission]} where id = ${key}`;
      committed.set(`${key} ${permission}`, { region, atMs: performance.timeOrigin + performance.now() });
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return committed;
}

/** The region that was in trouble holds the last state of each of its keys. */
async function caughtUp({ rig, store }: Bench, committed: ReadonlyMap<string, Committed>): Promise<void> {
  const latest = new Map<string, string>();
  for (const [change, { region }] of committed) {
    const [key, permission] = change.split(' ');
    if (region === 0) latest.set(key!, permission!);
  }
  await using handle = rig.open(store);
  const refs = [...latest.keys()].map((key) => ({ kind: 'agent-key' as const, key }));
  await until(
    async () => {
      const { items } = await handle.read(refs);
      return [...latest].filter(([key, permission]) => {
        const item = items.get(`agent-key/${key}`);
        return item?.state === 'context' && item.envelope.bodyText?.includes(`"${permission}"`);
      }).length;
    },
    (found) => found === latest.size,
  );
}

async function toldBy({ url }: RigProcess): Promise<[string, string, string, number][]> {
  return (await fetch(`${url}/stored`)).json() as never;
}

async function stateOf({ url }: RigProcess): Promise<string> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return /spokecast_region_state\{region="r01",state="([a-z]+)"\} 1/.exec(text)?.[1] ?? 'unknown';
}

/** As the metrics tell it, so that it is known to be seen. */
async function watchState(publisher: RigProcess, states: Set<string>, signal: AbortSignal): Promise<void> {
  const startedAt = systemClock.monotonic();
  let last = '';
  while (!signal.aborted) {
    const state = await stateOf(publisher);
    if (state !== last && states.size < 6) {
      states.add(`${state} at ${((systemClock.monotonic() - startedAt) / 1000).toFixed(1)} s`);
    }
    last = state;
    await systemClock.sleep(500, signal);
  }
}
