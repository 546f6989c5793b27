import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { createApplicationKey } from '../../hub/bootstrap.ts';
import { draftRange } from '../../hub/db/builders/index.ts';
import { connect } from '../../hub/db/client.ts';
import { Hints } from '../../hub/hints.ts';
import { type FullHub, fill, filledId, fullRegions } from '../hub/load/fill.ts';
import { walkPlans } from '../hub/load/walk.ts';
import { percentile } from '../replication/support/watching.ts';
import { type LoadOperation, type Measured, mixedLoad, printLoad } from './support/hub-load.ts';
import { operationsOf } from './support/hub-operations.ts';
import { count, during, line, milliseconds } from './support/printing.ts';
import { Rig } from './support/rig.ts';
import { duration } from './support/waiting.ts';

export interface HubOptions {
  size: FullHub;
  concurrencies: readonly number[];
  /** Seconds of load at each concurrency. */
  seconds: number;
  /** Judges the plans of all statements instead of measuring. */
  plans: boolean;
}

const peerMain = fileURLToPath(new URL('./peers/postgres-http.ts', import.meta.url));
const places = ['bench-1', 'bench-2'];

/**
 * The hub's process on a full database, under a mixed load of reads and writes by the platform's key and by tenants',
 * beside the bare loop of peers/postgres-http.ts. No publisher runs: what changes stays in the outbox.
 */
export async function hub({ size, concurrencies, seconds, plans }: HubOptions): Promise<void> {
  await using rig = await Rig.start();
  let filling = '';
  const ms = await duration(() =>
    during(
      'filling the hub',
      () =>
        fill(rig.sql, size, (what) => {
          filling = what;
        }),
      () => filling,
    ),
  );
  line(
    `${count(size.clusters)} clusters, ${count(size.keys)} agent keys`,
    `filled in ${(ms / 1000).toFixed(1)} s`,
  );
  if (plans) return await judged(rig, size);
  for (const id of places) await rig.addRegion({ region: id, endpoint: 'http://127.0.0.1:1', table: id });
  const platform = await createApplicationKey(rig.databaseUrl, { role: 'owner', name: 'bench' });
  const tenantIds = [1, 2, 3].map((number) => filledId('ten', number));
  const tenants = await Promise.all(
    tenantIds.map(async (tenantId) => ({
      tenantId,
      ...(await createApplicationKey(rig.databaseUrl, { role: 'owner', name: 'bench', tenantId })),
    })),
  );
  const { url } = await rig.startHub();
  const bareUrl = await rig.startProgram('peer', peerMain, {
    PEER_TENANT: tenantIds[0]!,
    PEER_CLUSTER: filledId('vci', 1),
  });
  const operations = operationsOf(url, size, platform.secret, tenants, places);
  await during('warming up', () => mixedLoad(operations, { concurrency: 4, seconds: 2 }));
  for (const concurrency of concurrencies) {
    const bare = await mixedLoad(bareOperations(bareUrl), { concurrency, seconds: Math.max(2, seconds / 3) });
    const measured = await mixedLoad(operations, { concurrency, seconds });
    console.log(`\n## ${concurrency} callers at once`);
    printLoad(bare, Math.max(2, seconds / 3), () => Number.NaN);
    printLoad(measured, seconds, bareMiddle(bare));
  }
  await notifications(rig);
  await sweepPages(rig, size);
  await quotas(rig.sql, size);
}

async function judged(rig: Rig, size: FullHub): Promise<void> {
  const { statements, faults, idle } = await during('judging plans', () => walkPlans(rig.databaseUrl, size));
  for (const fault of faults) console.log(`\n${fault}`);
  line('different statements', count(statements));
  line('of these with a fault', count(faults.length));
  for (const reason of idle) line('an exemption that nothing needed at this size', reason);
  if (faults.length > 0) throw new Error('statements read more than they may');
}

function bareOperations(url: string): LoadOperation[] {
  return ['GET', 'POST'].map((method) => ({
    name: method === 'GET' ? 'bare: a page of keys' : 'bare: insert a key',
    next: () => ({ method, url, wanted: 200 }),
  }));
}

/** Reads are compared with the bare read, writes with the bare insert. */
function bareMiddle([read, write]: readonly Measured[]): (name: string) => number {
  return (name) => percentile((/^(list|read)/.test(name) ? read : write)!.latenciesMs, 0.5);
}

type Told = 'in the transaction' | 'afterwards';

/**
 * What the event row and the notification cost that each entry of the audit log brings with it: sent by its transaction,
 * or after that as the hub does (docs/adr/0048-notify-after-commit.md).
 */
async function notifications({ sql, databaseUrl }: Rig): Promise<void> {
  const concurrency = 8; // as many connections as the rig has
  const promising = postgres(databaseUrl, {
    ...{ max: concurrency, onnotice: () => {} },
    connection: { 'spokecast.notify': 'after-commit' },
  });
  await using database = connect(databaseUrl, { applicationName: 'bench', max: 1 });
  const hints = new Hints({
    notify: (channels) => database.notify(channels),
    onError: (error) => {
      throw error;
    },
  });
  console.log(`\n## an entry of the audit log, ${concurrency} at once`);
  let number = 0;
  const entries = async (rows: number, told: Told) => {
    const by = told === 'afterwards' ? promising : sql;
    const results = await settleBounded(Array.from({ length: rows }), concurrency, async () => {
      await by`
        insert into audit_log (id, actor_id, actor_name, action, resource_type, resource_id, request_id)
        values (${`aud_bench${++number}`}, 'bench', 'bench', 'bench.create', 'bench', 'bench', 'bench')`;
      if (told === 'afterwards') hints.give();
    });
    await hints[Symbol.asyncDispose]();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
  const [rows, rounds] = [500, 4];
  for (const told of ['in the transaction', 'afterwards'] as const) await entries(200, told);
  // In turns, so that what else the machine does falls on all of them.
  const ways: { what: string; told: Told; off: string[]; ms: number }[] = [
    { what: 'with its event, notified in the transaction', told: 'in the transaction', off: [], ms: 0 },
    { what: 'with its event, notified afterwards', told: 'afterwards', off: [], ms: 0 },
    { what: 'with its event', told: 'in the transaction', off: ['hint_events on events'], ms: 0 },
    { what: 'alone', told: 'in the transaction', off: ['tell_audit on audit_log'], ms: 0 },
  ];
  for (let round = 0; round < rounds; round++)
    for (const way of ways) {
      await switchTriggers(sql, 'disable', way.off);
      way.ms += await duration(() => entries(rows, way.told));
      await switchTriggers(sql, 'enable', way.off);
    }
  const alone = ways.at(-1)!.ms;
  for (const { what, ms } of ways)
    line(
      what,
      `${count(Math.round((rows * rounds * 1000) / ms))}/s   ${(ms / alone).toFixed(2)} of it alone`,
    );
  await promising.end();
}

async function switchTriggers(sql: postgres.Sql, how: 'enable' | 'disable', triggers: readonly string[]) {
  for (const [trigger, table] of triggers.map((one) => one.split(' on ')))
    await sql.unsafe(`alter table ${table} ${how} trigger ${trigger}`);
}

/** What a sweep reads at a time of a region that holds a tenth of the keys, and what the guard of residency adds. */
async function sweepPages(rig: Rig, { keys }: FullHub): Promise<void> {
  const region = fullRegions[0]!;
  await using database = connect(rig.databaseUrl, { applicationName: 'bench', max: 1 });
  const page = async () => {
    const latenciesMs: number[] = [];
    for (let at = 0; at < 20; at++) {
      const after = filledId('aki', Math.floor((keys * at) / 25));
      const range = { after, limit: 1000 };
      latenciesMs.push(
        await duration(() => draftRange(database.db, region, 'agent-key', range, systemClock)),
      );
    }
    return milliseconds(latenciesMs);
  };
  console.log(`\n## a page of a sweep, 1,000 agent keys`);
  line('no tenant has a residency', await page());
  await rig.sql.unsafe(`update tenants set allowed_regions = '{${[...fullRegions, ...places].join()}}'`);
  await rig.sql`analyze tenants`;
  line('every tenant has one', await page());
  await rig.sql`update tenants set allowed_regions = null`;
}

/** What counting takes where the largest tenant has a quota: docs/tenants.md. */
async function quotas(sql: postgres.Sql, { keys }: FullHub): Promise<void> {
  const tenant = filledId('ten', 1);
  await sql`update tenants set agent_keys_max = ${keys * 2} where id = ${tenant}`;
  const [{ held }] = await sql<[{ held: number }]>`
    select count(*)::int as held from agent_keys where tenant_id = ${tenant}`;
  const latenciesMs: number[] = [];
  for (let at = 0; at < 20; at++)
    latenciesMs.push(
      await duration(async () => {
        await sql`insert into agent_keys (id, cluster_id, tenant_id, name, verifier)
          values (${`aki_quota${at}`}, ${filledId('vci', 1)}, ${tenant}, 'quota', 'none')`;
      }),
    );
  line(
    `\nan agent key for a tenant that has ${count(held)}, with a quota`,
    `p50 ${percentile(latenciesMs, 0.5).toFixed(1)} ms   max ${percentile(latenciesMs, 1).toFixed(1)} ms`,
  );
}
