import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { newId } from '../../contexts/ids.ts';
import { kindNames } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import { contextItem } from '../../contexts/stores/dynamodb-items.ts';
import { draftRange } from '../../hub/db/builders/index.ts';
import { connect, type Database } from '../../hub/db/client.ts';
import type { SweepCounts } from '../../hub/db/schema.ts';
import { percentile } from '../replication/support/watching.ts';
import { type ReplicationPart, replicationParts } from './replication-parts.ts';
import { cpuMs } from './support/cpu.ts';
import { fillHub, insertKnownKey, keyIds, shapeOf } from './support/fixture.ts';
import { commitToGateway } from './support/latency.ts';
import { count, during, equal, line, milliseconds, rate } from './support/printing.ts';
import { peakRssMib, resetPeakRss } from './support/process-memory.ts';
import { bulkFill, pageItems, putAll, streamRows } from './support/raw-loops.ts';
import { type Backend, Rig, type RigProcess, type RigStore } from './support/rig.ts';
import { duration, outboxIdle, sweepsIdle, until } from './support/waiting.ts';

export interface ReplicationOptions {
  contexts: readonly number[];
  backend: Backend;
  /** Contexts that a region is seeded with, at the most. */
  seedMax: number;
  /** Changes in one burst, for the throughput. */
  burst: number;
  /** Changes a latency is measured over. */
  changes: number;
  /** Unchanged sweeps, each beside the two raw loops. */
  rounds: number;
  /** What to measure beside unchanged sweeps, which always are. */
  parts: readonly ReplicationPart[];
}

const region = 'r1';
const shards = limits.shardsDefault;

/** The figures of replication at each size, on a rig of its own, and how memory compares between sizes. */
export async function replication(options: ReplicationOptions): Promise<void> {
  const peaks: { contexts: number; mib: number }[] = [];
  for (const contexts of options.contexts) peaks.push({ contexts, mib: await measure(contexts, options) });
  const [first, ...others] = peaks;
  for (const { contexts, mib } of others)
    line(
      `peak RSS at ${count(contexts)} beside ${count(first!.contexts)}`,
      `${(mib / first!.mib).toFixed(2)}`,
    );
}

async function measure(contexts: number, options: ReplicationOptions): Promise<number> {
  console.log(`\n## ${count(contexts)} contexts, queues in ${options.backend}`);
  await using rig = await Rig.start({ backend: options.backend });
  await using hub = connect(rig.databaseUrl, { applicationName: 'bench' });
  const store = await rig.addStore(region);
  await rig.addRegion(store);
  await timed('filling the hub, by SQL', () => fillHub(rig.sql, shapeOf(contexts), [region]));
  const key = await insertKnownKey(rig.sql);
  const held = contexts + 1;
  line(
    'filling the store, in bulk',
    `${((await duration(() => fillStore(rig, hub, store, held))) / 1000).toFixed(1)} s`,
  );
  const publisher = await rig.startPublisher();
  await timed('the first sweep, which announces all', () => verified(rig));
  const peak = await unchanged(rig, store, publisher, held, options.rounds);
  const parts: Record<ReplicationPart, () => Promise<void>> = {
    drift: () => drifted(rig, store, held),
    seeding: () => seeding(rig, hub, store, Math.min(contexts, options.seedMax)),
    throughput: () => throughput(rig, store, Math.min(options.burst, shapeOf(contexts).keys)),
    suspension: () => suspension(rig, store),
    latency: () => latencies(rig, store, key, options.changes),
  };
  for (const part of replicationParts) if (options.parts.includes(part)) await during(part, parts[part]);
  return peak;
}

/**
 * The state a seeded region is in, without seeding it: a million conditional puts are not what is measured. Were it not
 * called whole, the publisher would seed it all the same. Checked: the first sweep after it finds no difference.
 */
async function fillStore(rig: Rig, hub: Database, store: RigStore, expected: number): Promise<void> {
  await using handle = rig.open(store);
  await handle.initialise(await rig.owner(store.region), { shards, newIncarnation: 'bench' });
  async function* batches() {
    let batch: object[] = [];
    for await (const envelope of envelopes(hub, store.region)) {
      batch.push(contextItem(envelope, shards));
      if (batch.length === 25) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0) yield batch;
  }
  let filled = 0;
  async function* counted() {
    for await (const batch of batches()) {
      yield batch;
      filled += batch.length;
    }
  }
  const progress = () => `${count(filled)} of ${count(expected)},`;
  equal(
    'items filled in',
    await during('filling the store', () => bulkFill(store, counted()), progress),
    expected,
  );
  equal('whole', Number((await handle.setWhole('bench', true)) === 'set'), 1);
}

/** The sweep that a publisher begins with. */
async function verified(rig: Rig): Promise<void> {
  await sweepsIdle(rig.sql);
  const [first] =
    await rig.sql`select counts from sweeps where status = 'completed' order by finished_at limit 1`;
  equal('differences in what was filled in', differences(first!.counts), 0);
}

async function* envelopes(hub: Database, of: string): AsyncGenerator<Envelope> {
  for (const kind of kindNames) {
    let after = '';
    for (;;) {
      const page = await draftRange(hub.db, of, kind, { after, limit: 1000 }, systemClock);
      for (const build of page.map((draft) => draft.build()))
        if (build.state === 'live') yield build.envelope;
      if (page.length < 1000) break;
      after = page.at(-1)!.key;
    }
  }
}

/** Sweep, rows, items; and again, so that what else the machine does falls on all three. */
async function unchanged(
  rig: Rig,
  store: RigStore,
  publisher: RigProcess,
  held: number,
  rounds: number,
): Promise<number> {
  await sweep(rig, store.region); // whatever the first ones still announce is not what is measured
  const sweepMs: number[] = [];
  const rowsMs: number[] = [];
  const itemsMs: number[] = [];
  const cpuUs = { publisher: [] as number[], store: [] as number[], postgres: [] as number[] };
  let peakMib = 0;
  for (let round = 0; round < rounds; round++) {
    const writes = await writesOf(store);
    resetPeakRss(publisher.pid);
    const before = cpuOf(rig, store, publisher);
    const swept = await sweep(rig, store.region);
    const after = cpuOf(rig, store, publisher);
    for (const name of ['publisher', 'store', 'postgres'] as const)
      cpuUs[name].push(((after[name] - before[name]) * 1000) / held);
    peakMib = Math.max(peakMib, peakRssMib(publisher.pid));
    sweepMs.push(swept.ms);
    equal('contexts scanned', swept.counts.scanned, held);
    equal('writes of an unchanged sweep', (await writesOf(store)) - writes, 0);
    rowsMs.push(
      await duration(async () =>
        equal('rows', await during('raw loop, rows', () => streamRows(rig.sql, store.region)), held),
      ),
    );
    itemsMs.push(
      await duration(async () =>
        equal('items', await during('raw loop, items', () => pageItems(store, shards)), held),
      ),
    );
  }
  const [swept, rows, items] = [sweepMs, rowsMs, itemsMs].map((ms) => percentile(ms, 0.5));
  line('sweep, unchanged', `${rate(held, swept!)}   0 writes   peak RSS ${peakMib.toFixed(0)} MiB`);
  line(
    'CPU of the sweep, microseconds a context',
    Object.entries(cpuUs)
      .map(([name, us]) => `${name} ${percentile(us, 0.5).toFixed(1)}`)
      .join('   '),
  );
  line('raw loop: rows from Postgres', rate(held, rows!));
  line('raw loop: items from the store', rate(held, items!));
  line('sweep / slower raw loop', `${(Math.max(rows!, items!) / swept!).toFixed(2)}   (goal: at least 0.5)`);
  line('writes, if each cycle rewrote all', `${count(held)} to 0`);
  return peakMib;
}

function cpuOf(rig: Rig, store: RigStore, publisher: RigProcess) {
  return {
    publisher: cpuMs(publisher.pid),
    store: cpuMs(store.pid),
    postgres: cpuMs(rig.postgresPid, { withChildren: true }),
  };
}

/** One in a hundred keys is put back to an older state behind everybody's back, as if its refresh had been lost. */
async function drifted(rig: Rig, store: RigStore, held: number): Promise<void> {
  const drifting = Math.round(held / 100);
  await rig.sql`alter table agent_keys disable trigger capture_update`;
  await rig.sql`update agent_keys set permissions = array['drift'] where id in (select id from agent_keys order by md5(id) limit ${drifting})`;
  await rig.sql`alter table agent_keys enable always trigger capture_update`;
  const writes = await writesOf(store);
  const swept = await sweep(rig, store.region);
  equal('contexts repaired', swept.counts.corrupt + swept.counts.stale, drifting);
  await outboxIdle(rig.sql);
  const again = await sweep(rig, store.region);
  equal('differences left', differences(again.counts), 0);
  line(
    'sweep, 1 % drift',
    `${rate(held, swept.ms)}   ${count(drifting)} repaired with ${count((await writesOf(store)) - writes)} writes, announcements included`,
  );
}

/** A second region, empty, gets the first clusters with their keys; beside it the same puts into a bare table. */
async function seeding(rig: Rig, hub: Database, store: RigStore, most: number): Promise<void> {
  const seeded = { ...store, region: 'seeded', table: `${store.table}-seeded` };
  const clusters = Math.max(1, Math.floor(most / 100));
  await rig.sql.begin(async (tx) => {
    await tx`insert into regions (id, store_endpoint, store_table, status) values ('seeded', ${seeded.endpoint}, ${seeded.table}, 'disabled')`;
    await tx`insert into placements (cluster_id, region) select id, 'seeded' from clusters order by id limit ${clusters}`;
    await tx`delete from outbox`;
    await tx`update holdings set settled = true`;
  });
  const wanted: Envelope[] = [];
  for await (const envelope of envelopes(hub, 'seeded')) wanted.push(envelope);
  const bare = { ...store, region: 'bare', table: `${store.table}-bare` };
  await using handle = rig.open(bare);
  await handle.initialise(await rig.owner('bare'), { shards, newIncarnation: 'bench' });
  const half = Math.floor(wanted.length / 2);
  const bareMs = [await duration(() => putAll(handle, wanted.slice(0, half), 64))];
  await rig.sql`update regions set status = 'active' where id = 'seeded'`;
  const [row] = await until(
    () =>
      rig.sql`select extract(epoch from finished_at - started_at) * 1000 as ms, filled from seedings where region = 'seeded' and finished_at is not null`,
    ([found]) => found !== undefined,
  );
  bareMs.push(await duration(() => putAll(handle, wanted.slice(half), 64)));
  equal('contexts seeded', row!.filled, wanted.length);
  const verified = await sweep(rig, 'seeded');
  equal('differences after seeding', differences(verified.counts), 0);
  const bareTotalMs = bareMs[0]! + bareMs[1]!;
  line(`seeding ${count(wanted.length)}, and verifying`, rate(wanted.length, Number(row!.ms)));
  line('bare loop of the same puts', rate(wanted.length, bareTotalMs));
  line('seeding / bare loop', `${(bareTotalMs / Number(row!.ms)).toFixed(2)}   (goal: at least 0.7)`);
  await rig.sql`update regions set status = 'disabled' where id = 'seeded'`;
}

/** Many keys change in one transaction: from its commit until the last is stored. */
async function throughput(rig: Rig, store: RigStore, burst: number): Promise<void> {
  const ids = keyIds(1, burst);
  await outboxIdle(rig.sql);
  const puts = (await store.counts()).PutItem ?? 0;
  await rig.sql`update agent_keys set permissions = array['burst'] where id = any(${ids})`;
  const startedAt = systemClock.monotonic();
  await until(
    async () => (await store.counts()).PutItem ?? 0,
    (now) => now - puts >= burst,
  );
  const ms = systemClock.monotonic() - startedAt;
  await outboxIdle(rig.sql);
  await using handle = rig.open(store);
  let stored = 0;
  for (let at = 0; at < ids.length; at += limits.batchMax) {
    const refs = ids.slice(at, at + limits.batchMax).map((key) => ({ kind: 'agent-key' as const, key }));
    for (const item of (await handle.read(refs)).items.values())
      if (item.state === 'context' && item.envelope.bodyText?.includes('"burst"')) stored += 1;
  }
  equal('changes stored', stored, burst);
  line(
    `on demand, a burst of ${count(burst)}`,
    `${Math.round((burst / ms) * 1000).toLocaleString('en')} changes/s to stored`,
  );
}

/** The first tenant, with half of all keys, is suspended: one context is put, and every key feels it. */
async function suspension(rig: Rig, store: RigStore): Promise<void> {
  const [tenant] = await rig.sql`
    select t.id, count(*)::int as keys from tenants t join clusters c on c.tenant_id = t.id
    join agent_keys k on k.cluster_id = c.id group by t.id order by 2 desc limit 1`;
  await outboxIdle(rig.sql);
  const puts = (await store.counts()).PutItem ?? 0;
  await using handle = rig.open(store);
  const ms = await duration(async () => {
    await rig.sql`update tenants set status = 'suspended' where id = ${tenant!.id}`;
    await until(
      async () =>
        (await handle.read([{ kind: 'tenant', key: tenant!.id }])).items.get(`tenant/${tenant!.id}`),
      (item) => item?.state === 'context' && item.envelope.bodyText?.includes('suspended') === true,
    );
  });
  await outboxIdle(rig.sql);
  equal('puts of a context and a feed entry', ((await store.counts()).PutItem ?? 0) - puts, 2);
  line(`a tenant with ${count(tenant!.keys)} keys suspended`, `1 context put, ${ms.toFixed(0)} ms to stored`);
  await rig.sql`update tenants set status = 'active' where id = ${tenant!.id}`;
  await outboxIdle(rig.sql);
}

async function latencies(
  rig: Rig,
  store: RigStore,
  key: { id: string; secret: string },
  changes: number,
): Promise<void> {
  for (const pollMs of [50, 10]) {
    const gateway = await rig.startGateway(store, { SPOKECAST_FEED_POLL_MS: String(pollMs) });
    await commitToGateway(rig.sql, gateway.url, key, { changes: 20, pauseMs: pollMs });
    const idle = await commitToGateway(rig.sql, gateway.url, key, { changes, pauseMs: 2 * pollMs, store });
    line(
      `commit to gateway, idle, poll ${pollMs} ms`,
      `${milliseconds(idle.latenciesMs)}   (goals: p50 under ${20 + pollMs / 2} ms, p99 under 150 ms)`,
    );
    line('of it, ms p50', idle.steps);
    const load = steadyChanges(rig, 200);
    const busy = await commitToGateway(rig.sql, gateway.url, key, { changes, pauseMs: 2 * pollMs });
    const reached = await load.stop();
    line(
      `commit to gateway, ${reached.toFixed(0)} changes/s, poll ${pollMs} ms`,
      milliseconds(busy.latenciesMs),
    );
    await outboxIdle(rig.sql);
    process.kill(gateway.pid, 'SIGTERM');
  }
}

/** Changes of other keys, each a transaction of its own, so many a second. */
function steadyChanges(rig: Rig, perSecond: number): { stop(): Promise<number> } {
  const startedAt = systemClock.monotonic();
  let stopped = false;
  let made = 0;
  const ids = keyIds(1, 1000);
  const work = async () => {
    while (!stopped) {
      const due = ((systemClock.monotonic() - startedAt) / 1000) * perSecond;
      if (made >= due) {
        await systemClock.sleep(2);
        continue;
      }
      const at = made++;
      await rig.sql`update agent_keys set permissions = ${[`load${at}`]} where id = ${ids[at % ids.length]!}`;
    }
  };
  const workers = [work(), work(), work()];
  return {
    async stop() {
      stopped = true;
      await Promise.all(workers);
      return made / ((systemClock.monotonic() - startedAt) / 1000);
    },
  };
}

async function sweep(rig: Rig, of: string): Promise<{ ms: number; counts: SweepCounts }> {
  await sweepsIdle(rig.sql);
  const id = newId('sweep', systemClock, systemRandom);
  await rig.sql`insert into sweeps (id, region, cause, status) values (${id}, ${of}, 'requested', 'requested')`;
  await rig.sql`select pg_notify('spokecast_sweeps', '')`;
  let scanned = 0;
  const ask = async () => {
    const [found] = await rig.sql`
      select status, counts, error, extract(epoch from finished_at - started_at) * 1000 as ms from sweeps where id = ${id}`;
    scanned = found?.counts?.scanned ?? 0;
    return found;
  };
  const ended = () => until(ask, (found) => found?.status === 'completed' || found?.status === 'failed');
  const row = await during('sweeping', ended, () => `${count(scanned)} scanned,`);
  if (row!.status === 'failed') throw new Error(`the sweep failed: ${row!.error}`);
  return { ms: Number(row!.ms), counts: row!.counts };
}

async function writesOf(store: RigStore): Promise<number> {
  const counts = await store.counts();
  const writing = ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'TransactWriteItems'];
  return writing.reduce((sum, operation) => sum + (counts[operation] ?? 0), 0);
}

function differences(counts: SweepCounts): number {
  return counts.missing + counts.stale + counts.corrupt + counts.orphan + counts.ahead;
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  line(what, `${((await duration(() => during(what, work))) / 1000).toFixed(1)} s`);
}
