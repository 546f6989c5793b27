import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import { verifierOf } from '../../contexts/secrets.ts';
import { connect, type Db } from '../../hub/db/client.ts';
import { keepDeleted, restoreDeleted } from '../../hub/db/deletions.ts';
import { type PromotionReport, promoteEpoch } from '../../hub/promotion/promote.ts';
import { Backups } from '../support/backup.ts';
import { HubAndSpokes, until } from './support/hub-and-spokes.ts';
import { derivedByHand, heldLive } from './support/independent.ts';

const [east, west] = ['us-east-1', 'eu-west-1'] as const;
const regions = [west, east];
type Key = { id: string; secret: string };

let wheel: HubAndSpokes;
let backups: Backups;
beforeAll(async () => {
  wheel = await HubAndSpokes.start({ regions });
  backups = new Backups(wheel.databaseUrl);
});
afterAll(async () => {
  await wheel[Symbol.asyncDispose]();
  await backups[Symbol.asyncDispose]();
});

/** Asks every gateway for these keys all the time; whatever is not 401 (or 403) is a resurrection. */
class Watch {
  readonly resurrected: string[] = [];
  asked = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(revoked: readonly Key[]) {
    this.#running = this.#run(revoked);
  }

  async #run(revoked: readonly Key[]): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const region of regions)
        for (const key of revoked) {
          const status = await wheel.ask(region, key.secret);
          if (status !== 401) this.resurrected.push(`${region} answers ${status} to ${key.id}`);
          this.asked += 1;
        }
      await systemClock.sleep(5);
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    expect(this.resurrected).toEqual([]);
    expect(this.asked).toBeGreaterThan(20);
  }
}

const promote = (more: Partial<Parameters<typeof promoteEpoch>[0]> = {}): Promise<PromotionReport> =>
  promoteEpoch({
    database: wheel.databaseUrl,
    environment: 'test',
    ...{ without: [], dryRun: false, force: false, storeTimeoutMs: 2_000 },
    onProgress: () => {},
    ...more,
  });
const withHub = async (work: (db: Db) => Promise<void>): Promise<void> => {
  await using database = connect(wheel.databaseUrl, { applicationName: 'test', max: 1 });
  await work(database.db);
};
const states = () => regions.map((id) => wheel.publishers[0]!.regions.get(id)?.state);
const allAre = (state: string, what: string) =>
  until(
    async () => states().every((one) => one === state),
    () => `${what}: ${states()}`,
    30_000,
  );
const queuesAtRest = () =>
  until(async () => {
    const [row] = await wheel.sql`select count(*)::int as jobs from bullmq.job where state = 'active'`;
    return row!.jobs === 0;
  }, 'no job is at work');
const expectConverged = async () => {
  await wheel.idle();
  for (const id of regions) await wheel.sweep(id);
  for (const id of regions)
    expect(await heldLive(wheel.spoke(id).store), id).toEqual(await derivedByHand(wheel.sql, id));
};

test('[law 3] a region that is removed and added again with its table is not taken for ahead', async () => {
  const { sql } = wheel;
  const { clusterId } = await wheel.newCluster([west]);
  const { secret } = await wheel.newKey(clusterId);
  await wheel.becomes(west, secret, 200);
  await sql`delete from placements where cluster_id = ${clusterId}`;
  await wheel.becomes(west, secret, 401);
  await wheel.idle();
  const [row] = await sql`delete from regions where id = ${west} returning *`;
  await until(async () => wheel.publishers[0]!.regions.get(west) === undefined, 'nobody publishes to it');
  await sql`insert into regions ${sql(row!, 'id', 'store_endpoint', 'store_table')}`;
  await sql`insert into placements (cluster_id, region) values (${clusterId}, ${west})`;
  await allAre('open', 'it is published to again');
  await wheel.becomes(west, secret, 200);
  expect((await promote({ dryRun: true })).outcome).toBe('nothing-to-do');
  await sql`delete from clusters where id = ${clusterId}`;
});

describe('a hub restored from a backup', () => {
  let backup: string;
  let watch: Watch | undefined;
  const made = {} as Record<
    'kept' | 'revoked' | 'disabled' | 'narrowed' | 'moved' | 'suspended' | 'ofDeletedCluster' | 'undeleted',
    Key & { clusterId: string; tenantId: string }
  >;
  /** Keys of a cluster that was deleted before the backup, and brought back after it. */
  const ofUndeleted = {} as Record<'revoked' | 'disabled' | 'narrowed', Key>;

  beforeAll(async () => {
    const homes = {
      ...{ kept: regions, revoked: regions, disabled: regions, narrowed: regions },
      ...{ moved: [west], suspended: regions, ofDeletedCluster: regions },
      undeleted: regions,
    };
    for (const [name, placedIn] of Object.entries(homes)) {
      const cluster = await wheel.newCluster(placedIn);
      made[name as keyof typeof made] = { ...cluster, ...(await wheel.newKey(cluster.clusterId)) };
    }
    for (const key of Object.values(made)) await wheel.becomes(west, key.secret, 200);
    await wheel.idle();
    await queuesAtRest(); // they live in the database: a job at work in the copy would be one until its lock is over
    // Somebody is signed in and invited, and will have signed out and used the link up by the time of the restore.
    await wheel.sql`insert into users (id, email, name, status) values ('usr_a', 'a@example.com', 'a', 'active')`;
    await wheel.sql`
      insert into sessions (id, token_hash, user_id, created_at, last_seen_at, idle_until, expires_at, source, user_agent)
      values ('ses_a', 'a', 'usr_a', now(), now(), 'infinity', 'infinity', '', '')`;
    await wheel.sql`
      insert into one_time_links (id, token_hash, purpose, user_id, created_by, created_at, expires_at)
      values ('otl_a', 'a', 'invitation', 'usr_a', 'usr_a', now(), 'infinity')`;
    for (const name of ['revoked', 'disabled', 'narrowed'] as const)
      ofUndeleted[name] = await wheel.newKey(made.undeleted.clusterId);
    await withHub((db) =>
      db.transaction(async (tx) => {
        const { clusterId, tenantId } = made.undeleted;
        const what = { resourceType: 'cluster', resourceId: clusterId, name: clusterId, tenantId } as const;
        await keepDeleted(tx, { id: 'del_1', ...what }, 30);
        await tx.execute(sql`delete from clusters where id = ${clusterId}`);
      }),
    );
    await wheel.becomes(west, made.undeleted.secret, 401);
    await wheel.idle();
    backup = await backups.take();
  });
  beforeEach(async () => {
    await wheel.idle();
    await withHub((db) => restoreDeleted(db, 'del_1'));
    for (const region of regions) await wheel.becomes(region, made.undeleted.secret, 200);
    // What happens after the backup, each time anew.
    const { sql } = wheel;
    const { revoked, disabled, narrowed } = ofUndeleted;
    await sql`delete from agent_keys where id in (${made.revoked.id}, ${revoked.id})`;
    await sql`update agent_keys set status = 'disabled' where id in (${made.disabled.id}, ${disabled.id})`;
    await sql`update agent_keys set expires_at = now() - interval '1 hour' where id = ${narrowed.id}`;
    await sql`
      update agent_keys set expires_at = now() - interval '1 hour',
        allowed_networks = '{127.0.0.0/8}', rate_limit = 5, rate_window_ms = 1000,
        restricted_verifier = coalesce(restricted_verifier, verifier), verifier = repeat('-', 43),
        retiring = ${sql.json([{ verifier: 'o'.repeat(43), endsAtMs: 1_900_000_000_000 }])}
      where id = ${made.narrowed.id}`;
    await sql`update tenants set status = 'suspended' where id = ${made.suspended.tenantId}`;
    await sql`delete from clusters where id = ${made.ofDeletedCluster.clusterId}`;
    await sql.begin(async (tx) => {
      await tx`insert into placements (cluster_id, region) values (${made.moved.clusterId}, ${east}) on conflict do nothing`;
      await tx`delete from placements where cluster_id = ${made.moved.clusterId} and region = ${west}`;
    });
    for (const region of regions) {
      for (const key of [made.revoked, made.ofDeletedCluster, made.narrowed, revoked, narrowed])
        await wheel.becomes(region, key.secret, 401);
      for (const key of [made.disabled, made.suspended, disabled])
        await wheel.becomes(region, key.secret, 403);
    }
    await wheel.becomes(east, made.moved.secret, 200);
    await wheel.becomes(west, made.moved.secret, 401);
    await wheel.idle();
    watch = new Watch([made.revoked, made.ofDeletedCluster, made.narrowed, revoked, narrowed]);
  });
  afterEach(async () => {
    await watch?.end();
  });

  for (const time of ['first', 'second']) {
    test(`[law 2] stops before it writes, and keeps revoked what was revoked, the ${time} time from one backup`, async () => {
      await backups.restore(backup);
      await allAre('ahead', 'the publisher notices');
      // Which is what `GET /v1/regions` shows.
      await until(async () => {
        const told = await wheel.sql`select state, reason from region_reports where state = 'ahead'`;
        return told.length === regions.length && told.every(({ reason }) => /promote-epoch/.test(reason));
      }, 'it tells the hub, and what to do');
      for (const id of regions) wheel.spoke(id).proxy.reset();
      await wheel.sql`update tenants set name = name || '.' where id = ${made.kept.tenantId}`;
      await systemClock.sleep(500);
      for (const id of regions) expect(wheel.spoke(id).proxy.count('PutItem', 'DeleteItem')).toBe(0);

      const [before] = await wheel.sql`select epoch from hub_state`;
      const planned = await promote({ dryRun: true });
      expect(planned.outcome).toBe('planned');
      expect((await wheel.sql`select epoch from hub_state`)[0]).toEqual(before);
      expect(states()).toEqual(['ahead', 'ahead']);

      const report = await promote();
      expect(report.outcome).toBe('promoted');
      expect(report.epoch).toEqual({ from: 1, to: time === 'first' ? 2 : 3 });
      const imported = new Map(report.findings!.imports.map((one) => [one.id, one.action]));
      expect(imported).toEqual(
        new Map([
          [made.revoked.id, 'delete-key'],
          [made.disabled.id, 'tighten-key'],
          [made.narrowed.id, 'tighten-key'],
          [made.suspended.tenantId, 'suspend-tenant'],
          [made.ofDeletedCluster.clusterId, 'withdraw-cluster'],
          [made.ofDeletedCluster.id, 'disable-key'],
          [ofUndeleted.revoked.id, 'delete-key'],
          [ofUndeleted.disabled.id, 'tighten-key'],
          [ofUndeleted.narrowed.id, 'tighten-key'],
        ]),
      );
      expect(report.findings!.made).toContain(`cluster/${made.undeleted.clusterId}`);
      expect(report.findings!.imports).toEqual(planned.findings!.imports);
      const [entry] = await wheel.sql`select * from audit_log where action = 'epoch.promote'`;
      expect(entry).toMatchObject({ actor_id: 'cli', after: { epoch: report.epoch.to } });
      expect(entry!.before.placementsRemoved).toHaveLength(2);
      expect(await wheel.sql`select id from sessions union all select id from one_time_links`).toEqual([]);

      const [narrowed] =
        await wheel.sql`select *, allowed_networks::text[] as networks from agent_keys where id = ${made.narrowed.id}`;
      expect(narrowed).toMatchObject({
        ...{ networks: ['127.0.0.0/8'], rate_limit: 5, rate_window_ms: 1000, verifier: '-'.repeat(43) },
        restricted_verifier: verifierOf(made.narrowed.secret),
        retiring: [{ verifier: 'o'.repeat(43), endsAtMs: 1_900_000_000_000 }],
      });

      await allAre('open', 'the publisher goes on by itself');
      await expectConverged();
      for (const region of regions) {
        await wheel.becomes(region, made.kept.secret, 200);
        await wheel.becomes(region, made.revoked.secret, 401);
        for (const key of [made.disabled, made.suspended]) await wheel.becomes(region, key.secret, 403);
      }
      // The move is lost with what came after the backup; the key is not.
      await wheel.becomes(west, made.moved.secret, 200);
      // By the backup it is deleted. Who brings it back once more brings back nothing that was revoked.
      await wheel.becomes(west, made.undeleted.secret, 401);
      await withHub((db) => restoreDeleted(db, 'del_1'));
      await wheel.becomes(west, made.undeleted.secret, 200);
      await wheel.becomes(west, ofUndeleted.disabled.secret, 403);
      const late = await wheel.newKey(made.kept.clusterId);
      for (const region of regions) await wheel.becomes(region, late.secret, 200);

      expect((await promote()).outcome).toBe('nothing-to-do');
    });
  }

  test('[law 2] that drew past what the regions remember, before a publisher looked, is found out all the same', async () => {
    const doomed = await wheel.newKey(made.kept.clusterId);
    for (const region of regions) await wheel.becomes(region, doomed.secret, 200);
    await wheel.idle();
    const withDoomed = await backups.take();
    await wheel.sql`delete from agent_keys where id = ${doomed.id}`;
    for (const region of regions) await wheel.becomes(region, doomed.secret, 401);
    await wheel.idle();
    await wheel.removePublisher(wheel.publishers[0]!);
    await backups.restore(withDoomed);
    for (let i = 0; i < 30; i++)
      await wheel.sql`update agent_keys set permissions = array[${String(i)}] where id in (${made.kept.id}, ${doomed.id})`;
    const [drawn] =
      await wheel.sql`select epoch, (select last_value::int from revisions) as revision from hub_state`;
    const found = await wheel.spoke(west).store.readIdentity();
    const seen = decodeVersion(found.outcome === 'identity' ? found.identity.highWater : null)!;
    expect(seen.epoch).toBe(drawn!.epoch);
    expect(seen.revision).toBeLessThan(drawn!.revision);

    await wheel.addPublisher();
    await allAre('ahead', 'the publisher notices');
    const report = await promote();
    expect(report.findings!.imports).toEqual([
      expect.objectContaining({ id: doomed.id, action: 'delete-key' }),
    ]);
    await allAre('open', 'the publisher goes on by itself');
    await expectConverged();
    for (const region of regions) await wheel.becomes(region, doomed.secret, 401);
  });

  test('[law 2] waits for every region, unless told to go on without one', async () => {
    await backups.restore(backup);
    await allAre('ahead', 'the publisher notices');
    const outage = wheel.spoke(east).proxy.drop();
    try {
      await expect(promote()).rejects.toThrow(/us-east-1 .*--without us-east-1/s);
      const report = await promote({ without: [east] });
      expect(report.outcome).toBe('promoted');
      expect(report.regions).toContainEqual({ id: east, state: 'left-out', why: '--without' });
      // It may have been moved there: denied, and its placements are kept.
      expect(report.findings!.imports).toContainEqual(
        expect.objectContaining({ id: made.ofDeletedCluster.clusterId, action: 'disable-cluster' }),
      );
    } finally {
      outage.end();
    }
    await allAre('open', 'the publisher goes on by itself');
    await watch!.end().catch(() => {}); // keys of the cluster are 403 now, as its placements are kept
    watch = undefined;
  });
});
