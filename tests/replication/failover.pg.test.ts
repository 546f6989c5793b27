import '../../infra/bin/mended-driver.ts'; // as the services load it, before anything that loads the driver
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { decodeVersion, encodeVersion } from '../../contexts/revision.ts';
import { migrate } from '../../hub/db/migrate.ts';
import { promoteEpoch } from '../../hub/promotion/promote.ts';
import { databaseUrl, ensureDatabase } from '../../infra/local/postgres.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { agentKey, cluster, tenant } from '../hub/support/things.ts';
import { PostgresServers, type Server, serverOf } from '../support/postgres-servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { HubAndSpokes, until } from './support/hub-and-spokes.ts';
import { derivedByHand, heldLive } from './support/independent.ts';

const region = 'eu-west-1';
const patienceMs = 120_000;

let servers: PostgresServers;
let primary: Server;
/** The address that moves: whoever is the primary is behind it. */
let address: TcpProxy;
let wheel: HubAndSpokes;
let hub: TestHub;
let clusterId: string;
beforeAll(async () => {
  servers = await PostgresServers.make();
  primary = await servers.primary();
  address = await new TcpProxy(primary.port).start();
  await ensureDatabase(serverOf(primary), 'hub');
  const url = databaseUrl({ directory: '', port: address.port }, 'hub');
  await migrate(url);
  wheel = await HubAndSpokes.start({
    regions: [region],
    databaseUrl: url,
    publisher: { SPOKECAST_JOB_LOCK_MS: '2000' }, // what the dead primary had in hand is soon taken up
  });
  hub = await startHub({ databaseUrl: url });
  clusterId = await cluster(hub.owner, await tenant(hub.owner), [region]);
}, 300_000);
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await wheel?.[Symbol.asyncDispose]();
  await address?.stop();
  await servers?.[Symbol.asyncDispose]();
});

type Key = { id: string; secret: string };

/** Makes keys and revokes every other one, as fast as it is answered. Only what was acknowledged is remembered. */
class Load {
  readonly made: Key[] = [];
  readonly revoked: Key[] = [];
  readonly refused: { status: number; code: string; retryAfter: string | null }[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  constructor() {
    this.#running = Promise.all([1, 2, 3].map(() => this.#run()));
  }

  get acknowledged(): number {
    return this.made.length + this.revoked.length;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const made = await hub.owner.post('/v1/agent-keys', { clusterId, name: 'k' });
      if (made.status !== 201) {
        this.#refused(made);
        await systemClock.sleep(20);
        continue;
      }
      if (turn % 2 === 0) {
        this.made.push(made.body);
        continue;
      }
      const gone = await hub.owner.delete(`/v1/agent-keys/${made.body.id}`);
      if (gone.status === 204) this.revoked.push(made.body);
      else this.#refused(gone);
    }
  }

  #refused({ status, body, headers }: Awaited<ReturnType<typeof hub.owner.get>>): void {
    this.refused.push({ status, code: body.code, retryAfter: headers.get('retry-after') });
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const stateOf = () => wheel.publishers[0]!.regions.get(region)?.state;

describe('when the primary dies and a standby takes its place', () => {
  test('[law 1] [law 2] [law 3] [law 6] with synchronous replication nothing acknowledged is lost, and all goes on by itself', async () => {
    const standby = await servers.standbyOf(primary);
    await primary.admin`alter system set synchronous_standby_names = '*'`;
    await primary.admin`select pg_reload_conf()`;
    await until(
      async () =>
        (await primary.admin`select from pg_stat_replication where sync_state = 'sync'`).length === 1,
      'replication is synchronous',
      patienceMs,
    );
    const load = new Load();
    await until(async () => load.acknowledged > 12, 'changes are made', patienceMs);
    await servers.kill(primary);
    await until(async () => load.refused.length > 3, 'the hub says that it has no database', patienceMs);
    await servers.promote(standby);
    address.redirect(standby.port);
    primary = standby;
    const before = load.acknowledged;
    await until(async () => load.acknowledged > before + 12, 'changes are made again', patienceMs);
    await load.end();
    for (const refusal of load.refused)
      expect(refusal).toEqual({ status: 503, code: 'DATABASE_UNAVAILABLE', retryAfter: '1' });

    // The relay, its queues in Postgres, fences and sweeps go on, and nobody thinks that something was lost.
    const last = await agentKey(hub.owner, clusterId);
    await wheel.becomes(region, last.secret, 200);
    const gone = await hub.owner.delete(`/v1/agent-keys/${last.id}?wait=regions&timeoutMs=60000`);
    expect(gone.headers.get('spokecast-propagation')).toBe('complete');
    await wheel.idle(patienceMs);
    for (const key of load.made) expect(await wheel.ask(region, key.secret), key.id).toBe(200);
    for (const key of load.revoked) expect(await wheel.ask(region, key.secret), key.id).toBe(401);
    expect(await wheel.sweep(region)).toMatchObject({ missing: 0, stale: 0, orphan: 0, ahead: 0 });
    expect(stateOf()).toBe('open');
    // Somebody listens at the new primary.
    const listeners = await wheel.sql`
      select application_name from pg_stat_activity where query ilike '%listen%' order by 1`;
    const names = new Set(listeners.map((row) => row.application_name));
    for (const name of ['spokecast hub', 'spokecast publisher', `refresh-test-${region}`])
      expect(names, name).toContain(name);
  }, 300_000);

  test('[law 2] [law 3] a loss of the last commits is noticed before anything goes back, and mended by a promotion', async () => {
    await using line = await new TcpProxy(primary.port).start();
    const standby = await servers.standbyOf(primary, line.port);
    const [kept, doomed] = [await agentKey(hub.owner, clusterId), await agentKey(hub.owner, clusterId)];
    for (const key of [kept, doomed]) await wheel.becomes(region, key.secret, 200);
    await until(
      async () => {
        const [row] = await primary.admin`
          select replay_lsn = pg_current_wal_lsn() as even from pg_stat_replication where application_name = ${standby.name}`;
        return row!.even;
      },
      'the standby has it all',
      patienceMs,
    );
    line.freeze();
    expect((await hub.owner.delete(`/v1/agent-keys/${doomed.id}`)).status).toBe(204);
    const lost = await agentKey(hub.owner, clusterId);
    await wheel.becomes(region, doomed.secret, 401);
    await wheel.becomes(region, lost.secret, 200);
    const versionOf = async ({ id }: Key) => {
      const item = await wheel.spoke(region).raw.context({ kind: 'agent-key', key: id });
      return decodeVersion(item!.v!.S!)!;
    };
    const buried = await versionOf(doomed);

    // Whoever promotes the standby fences the old primary: it lives on, with its connections, and takes no writes.
    await servers.fence(primary);
    const [fenced] = await primary.admin`select clock_timestamp() as at`;
    const staying = () => primary.admin`
      select application_name from pg_stat_activity where datname = 'hub' and backend_start < ${fenced!.at}
        and application_name like any ('{spokecast %,refresh-%,sweep-%}')`;
    expect((await hub.owner.post('/v1/tenants', { name: 'fenced' })).status).toBe(503);
    await until(async () => (await staying()).length === 0, 'nobody stays with the fenced one', patienceMs);
    await servers.promote(standby);
    address.redirect(standby.port);
    // The test's own connections are nobody's business but its own.
    await primary.admin`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = 'hub' and application_name = 'postgres.js'`;
    primary = standby;
    await until(
      async () => stateOf() === 'ahead',
      () => `the region is found ahead, not ${stateOf()}`,
      patienceMs,
    );
    await until(
      async () => (await hub.owner.get(`/v1/agent-keys/${doomed.id}`)).status === 200,
      'the hub has again what was revoked',
      patienceMs,
    );
    expect(await wheel.ask(region, doomed.secret)).toBe(401);
    expect(await versionOf(doomed)).toEqual(buried);

    const report = await promoteEpoch({
      database: wheel.databaseUrl,
      environment: 'test',
      ...{ without: [], dryRun: false, force: false, storeTimeoutMs: 5_000 },
      onProgress: () => {},
    });
    expect(report).toMatchObject({ outcome: 'promoted', epoch: { from: 1, to: 2 } });
    expect(report.findings!.imports.map(({ id }) => id)).toEqual([doomed.id]);
    await until(
      async () => stateOf() === 'open',
      () => `the region opens, and is not ${stateOf()}`,
      patienceMs,
    );
    await wheel.idle(patienceMs);
    await wheel.sweep(region);
    expect(await heldLive(wheel.spoke(region).store)).toEqual(await derivedByHand(wheel.sql, region));
    expect((await versionOf(kept)).epoch).toBe(2);
    expect(encodeVersion(await versionOf(doomed)) >= encodeVersion(buried)).toBe(true);
    for (const [key, status] of [
      [kept, 200],
      [doomed, 401],
      [lost, 401],
    ] as const)
      await wheel.becomes(region, key.secret, status);
  }, 300_000);
});
