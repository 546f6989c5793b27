import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { noteSeen, notifyProgress } from '../../hub/db/fences.ts';
import { type LastWord, type ListedGateway, recordGateways } from '../../hub/db/gateways.ts';
import { trimLedger } from '../../hub/db/housekeeping.ts';
import { claimChanges, completeChanges, type FencedJob } from '../../hub/db/outbox.ts';
import { type Receipt, writeReceipt } from '../../hub/db/receipts.ts';
import { beginSweep, completeSweep, currentMark, noCounts } from '../../hub/db/sweeps.ts';
import { gateway } from '../contexts/store-conformance.ts';
import { EventFollower } from './support/event-follower.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

/** The hub's side of fences, with a hand in the place of the publisher: what it writes is all that the hub knows. */
const retention = { auditDays: 0, sweepDays: 30, fenceHours: 24 };

let hub: TestHub;
let sql: postgres.Sql;
let north: string;
let south: string;
let tenantId: string;
let clusterId: string;

beforeAll(async () => {
  hub = await startHub({ environment: { SPOKECAST_WAITS_MAX: '3' } });
  sql = postgres(hub.databaseUrl, { max: 2 });
  north = await make.region(hub.owner, 'north');
  south = await make.region(hub.owner, 'south');
  tenantId = await make.tenant(hub.owner);
  clusterId = await make.cluster(hub.owner, tenantId, [north, south]);
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

const db = () => hub.hub.services.database.db;
const feed = { incarnation: 'f1', number: 7 };
const open = { state: 'open', reason: null };
/** Of the one publisher that reports, by region. */
const words = new Map<string, LastWord>();
const forgetting = (region: string) => ({
  ...{ nowMs: systemClock.now(), forgetAfterMs: 900_000 },
  word: words.get(region) ?? words.set(region, { reportedAt: null }).get(region)!,
});

/** Relays what is in the outbox, one job a region, and returns the jobs that fences wait for. */
async function relay(receipts: Record<string, string>): Promise<FencedJob[]> {
  const claims = await Promise.all(
    (['placements', 'all-else'] as const).map((takes) =>
      claimChanges(db(), { claimant: 'test', leaseMs: 60_000, limit: 100, takes }),
    ),
  );
  const changes = claims.flat();
  const jobs = changes.flatMap((change) =>
    change.fences.flatMap((fence) =>
      change.regions.map((region) => ({ fence, region, receipt: receipts[region]! })),
    ),
  );
  await completeChanges(
    db(),
    'test',
    changes.map((change) => change.id),
    jobs,
  );
  return jobs;
}

const receipt = (id: string, more: Partial<Receipt> = {}): Receipt => ({
  ...{ id, storedAgoMs: 2, announcedAgoMs: 1, feed, heldBack: null, ...more },
});

/** A gateway as whoever lists the region finds it. */
const listed = (id: string, more: Partial<ListedGateway> = {}): ListedGateway => ({
  ...gateway(id, more),
  unmovedMs: more.unmovedMs ?? 0,
});

/** A publisher lists these gateways in each region. */
async function report(
  regions: string[],
  gateways: { id: string; watermark: number; incarnation?: string }[],
) {
  for (const region of regions) {
    const statuses = gateways.map(({ id, watermark, incarnation = feed.incarnation }) =>
      listed(id, {
        ...{ region, watermark, feedIncarnation: incarnation },
        reportedAtMs: systemClock.now(),
        expiresAtMs: systemClock.now() + 15_000,
      }),
    );
    await recordGateways(db(), { region, ...open }, { statuses, begunAgoMs: 0 }, forgetting(region));
  }
}

async function newKey() {
  const answer = await hub.owner.post('/v1/agent-keys', { clusterId, name: 'k' });
  expect(answer.status).toBe(201);
  return { id: answer.body.id as string, fence: answer.headers.get('spokecast-fence')! };
}

const look = async (fence: string, query = '') => (await hub.owner.get(`/v1/fences/${fence}${query}`)).body;
const empty = async () => {
  await sql`delete from outbox`;
  await sql`delete from gateways`;
  await sql`delete from region_reports`;
};

let jobs = 0;
const twoJobs = () => {
  jobs += 1;
  return { [north]: `n${jobs}`, [south]: `s${jobs}` };
};

describe('a fence', () => {
  test('comes with every mutation, and stands for all that it touched', async () => {
    await empty();
    const { fence } = await newKey();
    expect(fence).toMatch(/^fen_[0-9a-hjkmnp-tv-z]{26}$/);
    const found = await look(fence);
    expect(found).toMatchObject({ id: fence, complete: false, relayedAt: null });
    expect(found.regions.map((one: { region: string }) => one.region)).toEqual([north, south]);
    expect(found.regions[0]).toMatchObject({
      state: 'pending',
      storedAt: null,
      reason: expect.stringContaining('no publisher'),
    });
  });

  test('is complete at once where no region is concerned, or nothing changed', async () => {
    await empty();
    const tenant = await hub.owner.post('/v1/tenants?wait=regions&timeoutMs=5000', { name: 'nowhere' });
    expect(tenant.headers.get('spokecast-propagation')).toBe('complete');
    const same = await hub.owner.patch(`/v1/tenants/${tenant.body.id}?wait=regions`, { name: 'nowhere' });
    expect(same.headers.get('spokecast-propagation')).toBe('complete');
    const application = await hub.owner.post('/v1/application-keys?wait=regions', {
      role: 'viewer',
      name: 'v',
    });
    expect(application.headers.get('spokecast-propagation')).toBe('complete');
  });

  test('goes from committed to relayed to stored to seen, region by region', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    await report(
      [north, south],
      [
        { id: 'gw_1', watermark: 6 },
        { id: 'gw_2', watermark: 7 },
      ],
    );
    expect((await look(fence)).relayedAt).not.toBeNull();
    await writeReceipt(db(), receipt(receipts[north]!));
    await report(
      [north, south],
      [
        { id: 'gw_1', watermark: 6 },
        { id: 'gw_2', watermark: 7 },
      ],
    );
    const half = await look(fence);
    expect(half.regions[0]).toMatchObject({ region: north, state: 'stored', seenBy: 1, gateways: 2 });
    expect(half.regions[0].laggards).toMatchObject([{ id: 'gw_1', state: 'behind' }]);
    await report([north], [{ id: 'gw_1', watermark: 0 }]);
    const booted = (await look(fence)).regions[0];
    expect(booted.laggards).toMatchObject([{ id: 'gw_1', state: 'verifying' }]);
    expect(booted.reason).toContain('gw_1 reads again what it holds');
    await report([north], [{ id: 'gw_1', watermark: 6 }]);
    expect(half.regions[1]).toMatchObject({
      region: south,
      state: 'pending',
      reason: expect.stringContaining('1 of its refresh jobs'),
    });
    await writeReceipt(db(), receipt(receipts[south]!));
    await report(
      [north, south],
      [
        { id: 'gw_1', watermark: 7 },
        { id: 'gw_2', watermark: 8 },
      ],
    );
    const whole = await look(fence);
    expect(whole.complete).toBe(true);
    for (const region of whole.regions) {
      expect(region).toMatchObject({ state: 'seen', seenBy: 2, gateways: 2, laggards: [], reason: null });
      const times = [whole.committedAt, region.storedAt, region.announcedAt].map((text) => Date.parse(text));
      expect(times.toSorted((a, b) => a - b)).toEqual(times);
    }
  });

  test('is told step by step to who follows events, and hastened for them', async () => {
    await empty();
    await using events = await EventFollower.open(hub, hub.owner.secret!);
    const { fence } = await newKey();
    const [made] = await events.take(1);
    expect(made).toMatchObject({ event: 'audit', data: { fence, entry: { action: 'agent-key.create' } } });
    const receipts = twoJobs();
    await relay(receipts);
    await writeReceipt(db(), receipt(receipts[north]!));
    expect(await events.take(1)).toMatchObject([
      { event: 'propagation', data: { fence, step: 'relayed', region: null } },
    ]);
    await report([north], [{ id: 'gw_1', watermark: 6 }]);
    expect(await noteSeen(db(), north, 'awaited'), 'stored, and not seen').toBe(0);
    expect(await events.take(1)).toMatchObject([{ data: { fence, step: 'stored', region: north } }]);
    await report([north], [{ id: 'gw_1', watermark: 7 }]);
    expect(await noteSeen(db(), north, 'awaited')).toBe(1);
    expect(await events.take(1)).toMatchObject([{ data: { fence, step: 'seen', region: north } }]);
    await writeReceipt(db(), receipt(receipts[south]!));
    await report([south], [{ id: 'gw_1', watermark: 7 }]);
    await noteSeen(db(), south, 'all');
    const steps = (await events.take(2)).map(({ data }) => [data.step, data.region]);
    expect(steps).toEqual([
      ['stored', south],
      ['seen', south],
    ]);
  });

  test('that was seen stays so, though gateways come and go', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([north, south], [{ id: 'gw_1', watermark: 7 }]);
    expect(await noteSeen(db(), north, 'awaited'), 'nobody waits').toBe(0);
    expect(await noteSeen(db(), north, 'all')).toBeGreaterThan(0);
    await noteSeen(db(), south, 'all');
    await report(
      [north, south],
      [
        { id: 'gw_1', watermark: 7 },
        { id: 'gw_late', watermark: 3 },
      ],
    );
    expect((await look(fence)).complete).toBe(true);
    expect((await look(fence)).regions[0].seenAt).not.toBeNull();
  });

  test('is not seen before gateways were listed after it was announced: one may have come', async () => {
    await empty();
    await report([north, south], [{ id: 'gw_1', watermark: 9 }]);
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts))
      await writeReceipt(db(), receipt(id, { storedAgoMs: 0, announcedAgoMs: 0 }));
    const found = await look(fence);
    expect(found.regions[0]).toMatchObject({
      state: 'stored',
      seenBy: 1,
      gateways: 1,
      reason: expect.stringContaining('not been looked at'),
    });
    await report([north, south], []);
    expect((await look(fence)).complete).toBe(true);
  });

  test('waits for a gateway that has stopped reporting, which is unknown; one that left is not waited for', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await report([north, south], [{ id: 'gw_1', watermark: 1 }]);
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([south], [{ id: 'gw_1', watermark: 7 }]);
    await recordGateways(
      db(),
      { region: north, ...open },
      { statuses: [], begunAgoMs: 0 },
      forgetting(north),
    );
    await sql`update gateways set observed_at = now() - interval '1 minute' where region = ${north}`;
    const found = await look(fence);
    expect(found.regions[0]).toMatchObject({
      ...{ state: 'stored', seenBy: 0, gateways: 1, laggards: [{ id: 'gw_1', state: 'unknown' }] },
      reason: expect.stringMatching(
        /gw_1 has not reported for \d+\.\d s: .* forgotten in 8\d\d\.\d s \(SPOKECAST_GATEWAY_FORGET_MS\)/,
      ),
    });
    // 15 minutes after the 15 seconds for which its report counted.
    const { forgottenInMs } = found.regions[0].laggards[0];
    expect(forgottenInMs).toBeGreaterThan(915_000 - 110_000);
    expect(forgottenInMs).toBeLessThanOrEqual(915_000 - 60_000);
    const now = systemClock.now();
    const left = listed('gw_1', { region: north, reportedAtMs: now, expiresAtMs: now });
    await recordGateways(
      db(),
      { region: north, ...open },
      { statuses: [left], begunAgoMs: 0 },
      forgetting(north),
    );
    expect((await look(fence)).complete).toBe(true);
  });

  test('forgets no gateway because the clock of the publisher that lists it is ahead', async () => {
    await empty();
    const now = systemClock.now();
    const live = listed('gw_1', { region: north, reportedAtMs: now, expiresAtMs: now + 15_000 });
    const ahead = { ...forgetting(north), nowMs: now + 24 * 3_600_000 };
    await recordGateways(db(), { region: north, ...open }, { statuses: [live], begunAgoMs: 0 }, ahead);
    const { items } = (await hub.owner.get(`/v1/regions/${north}/gateways`)).body;
    expect(items.map(({ id }: { id: string }) => id)).toEqual(['gw_1']);
  });

  test('[law 6] waits for a gateway whose own clock is far behind or ahead, and for no ghost of one', async () => {
    await empty();
    const hourMs = 3_600_000;
    const list = async (...statuses: ListedGateway[]) => {
      await recordGateways(
        ...([db(), { region: north, ...open }, { statuses, begunAgoMs: 0 }, forgetting(north)] as const),
      );
      const rows = await sql`select id, observed_at > now() - interval '1 minute' as lately from gateways
        where region = ${north} order by id`;
      return rows.map(({ id, lately }) => `${id} ${lately ? 'lately' : 'long ago'}`);
    };
    const nowMs = systemClock.now();
    const off = (id: string, byMs: number, unmovedMs: number, watermark = 1) => {
      const at = nowMs + byMs;
      const moments = { reportedAtMs: at, expiresAtMs: at + 15_000, unmovedMs };
      return listed(id, { region: north, watermark, feedIncarnation: feed.incarnation, ...moments });
    };
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([south], [{ id: 'gw_1', watermark: 7 }]);
    // New, and old by its own word: it may be a ghost, and is waited for as long as it may be none.
    expect(await list(off('gw_behind', -hourMs, 0))).toEqual(['gw_behind long ago']);
    expect((await look(fence)).regions[0]).toMatchObject({ state: 'stored', gateways: 1, seenBy: 0 });
    expect(await list(off('gw_behind', -hourMs, 14_000))).toEqual(['gw_behind long ago']);
    expect(await list(off('gw_behind', -hourMs + 5000, 0))).toEqual(['gw_behind lately']); // it lives
    // It stops: as long as any other it is unknown, whatever its report says.
    expect(await list(off('gw_behind', -hourMs + 5000, 600_000))).toEqual(['gw_behind lately']);
    expect((await look(fence)).regions[0]).toMatchObject({ state: 'stored', gateways: 1, seenBy: 0 });
    expect(await list(off('gw_behind', -hourMs + 6000, 0, 7))).toEqual(['gw_behind lately']);
    expect((await look(fence)).complete).toBe(true);
    // Ghosts, which nobody has removed from the store: one was told of by its own word, one says that it is of tomorrow.
    await empty();
    expect(await list(off('gw_ghost', -hourMs, 0))).toEqual(['gw_ghost long ago']);
    await sql`update gateways set observed_at = observed_at - interval '16 seconds'`;
    expect(await list(off('gw_ghost', -hourMs, 16_000))).toEqual([]);
    expect(await list(off('gw_ghost', 24 * hourMs, 916_000))).toEqual([]);
  });

  test('forgets a gateway that has been unknown for long', async () => {
    await empty();
    await report([north], [{ id: 'gw_dead', watermark: 1 }]);
    await sql`update gateways set observed_at = now() - interval '20 minutes'`;
    await recordGateways(
      db(),
      { region: north, ...open },
      { statuses: [], begunAgoMs: 0 },
      forgetting(north),
    );
    expect((await hub.owner.get(`/v1/regions/${north}/gateways`)).body.items).toEqual([]);
  });

  test('is kept for as long as is set, with all that belongs to it', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await trimLedger(db(), retention);
    expect((await look(fence)).id).toBe(fence);
    await sql`update fences set created_at = now() - interval '25 hours' where id = ${fence}`;
    await trimLedger(db(), { ...retention, fenceHours: 48 });
    expect((await look(fence)).id).toBe(fence);
    await sql`update receipts set created_at = now() - interval '26 hours' where id = any(${Object.values(receipts)})`;
    await trimLedger(db(), retention);
    expect((await hub.owner.get(`/v1/fences/${fence}`)).status).toBe(404);
    const [left] = await sql`
      select (select count(*) from fence_regions where fence = ${fence}) + (select count(*) from fence_jobs where fence = ${fence})
        + (select count(*) from receipts where id = any(${Object.values(receipts)})) as rows`;
    expect(Number(left!.rows)).toBe(0);
  });

  test('names what was held back, and is not stored by it', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    await writeReceipt(db(), receipt(receipts[north]!, { heldBack: 'agent-key/x is quarantined' }));
    await report([north, south], []);
    expect((await look(fence)).regions[0]).toMatchObject({
      ...{ state: 'pending', storedAt: null },
      reason: 'held back: agent-key/x is quarantined; the last good state stays in place',
    });
    // The job ran again, and it went well.
    await writeReceipt(db(), receipt(receipts[north]!));
    await report([north], []);
    expect((await look(fence)).regions[0].state).toBe('seen');
  });

  test("tells a tenant how far its own change is, and nothing of others' or of the region's insides", async () => {
    await empty();
    const { secret } = await make.applicationKey(hub.owner, { role: 'admin', tenantId });
    const own = hub.as(secret);
    const answer = await own.post('/v1/agent-keys', { clusterId, name: 'k' });
    const fence = answer.headers.get('spokecast-fence')!;
    const seen = async () => [
      (await own.get(`/v1/fences/${fence}`)).body.regions[0].reason,
      (await own.get('/v1/fences')).body.items[0].regions[0].reason,
    ];
    const receipts = twoJobs();
    await relay(receipts);
    // A job names contexts of many tenants.
    const heldBack = 'agent-key/aki_of_another is held: 5 of 10';
    await writeReceipt(db(), receipt(receipts[north]!, { heldBack }));
    await report([north, south], []);
    const held = 'held back; the last good state stays in place';
    expect(await seen()).toEqual([held, held]);
    expect((await look(fence)).regions[0].reason).toContain('aki_of_another');

    const refused = { region: north, state: 'refused', reason: 'connect ECONNREFUSED 10.0.0.1:8000' };
    await recordGateways(db(), refused, { statuses: [], begunAgoMs: 0 }, forgetting(north));
    const shut = 'the region is refused, so nothing is published to it';
    expect(await seen()).toEqual([shut, shut]);
  });

  test('tells of a region that is not open', async () => {
    await empty();
    const { fence } = await newKey();
    const behind = { region: north, state: 'behind', reason: 'no answer within 2000 ms' };
    await recordGateways(db(), behind, { statuses: [], begunAgoMs: 0 }, forgetting(north));
    expect((await look(fence)).regions[0].reason).toBe(
      'the region is behind, so nothing is published to it: no answer within 2000 ms',
    );
    await sql`update region_reports set reported_at = now() - interval '1 minute'`;
    expect((await look(fence)).regions[0].reason).toMatch(/no publisher has told of this region for 60/);
  });
});

describe('what was lost on the way', () => {
  const sweep = async (
    region: string,
    proof: { heldBack: string[] | null; incarnation?: string; midway?: true } = { heldBack: [] },
  ) => {
    // A mark is below every transaction that runs, and the other test files of this server run theirs.
    const [now] = await sql`select pg_current_xact_id()::text as xid`;
    const settled = async () => proof.midway || Number(await currentMark(db())) > Number(now!.xid);
    await expect.poll(settled, { timeout: 30_000 }).toBe(true);
    const id = `swp_${region}_${++jobs}`;
    await beginSweep(db(), { id, region, cause: 'scheduled' });
    const reached = { mark: await currentMark(db()), tail: [] };
    const place = { incarnation: proof.incarnation ?? feed.incarnation, number: 20 };
    await completeSweep(db(), id, noCounts(), reached, { feed: place, heldBack: proof.heldBack });
    await report([region], [{ id: 'gw_1', watermark: 20, incarnation: place.incarnation }]);
  };

  test('[law 3] an outbox row: never stored without proof, until a sweep', async () => {
    await empty();
    const { fence } = await newKey();
    await sql`delete from outbox`;
    await report([north, south], [{ id: 'gw_1', watermark: 1000 }]);
    const lost = await look(fence);
    expect(lost).toMatchObject({ complete: false, relayedAt: null });
    expect(lost.regions[0]).toMatchObject({
      state: 'pending',
      reason: expect.stringContaining('1 of 1 changes are not relayed'),
    });
    await sweep(north);
    const swept = await look(fence);
    expect(swept.regions.map((one: { state: string }) => one.state)).toEqual(['seen', 'pending']);
    await sweep(south);
    expect((await look(fence)).complete).toBe(true);
  });

  test('[law 3] a job: never stored without proof, until a sweep', async () => {
    await empty();
    const { fence } = await newKey();
    await relay(twoJobs());
    await report([north, south], [{ id: 'gw_1', watermark: 1000 }]);
    expect((await look(fence)).regions[0].state).toBe('pending');
    await sweep(north);
    await sweep(south);
    expect((await look(fence)).complete).toBe(true);
  });

  test('a sweep that ended before the change, or held back what changed, proves nothing', async () => {
    await empty();
    await sweep(north);
    const { id, fence } = await newKey();
    await sql`delete from outbox`;
    await report([north, south], [{ id: 'gw_1', watermark: 1000 }]);
    expect((await look(fence)).regions[0].state).toBe('pending');
    await sweep(north, { heldBack: null });
    expect((await look(fence)).regions[0].state).toBe('pending');
    await sweep(north, { heldBack: [`agent-key/${id}`] });
    expect((await look(fence)).regions[0].state).toBe('pending');
    await sweep(north, { heldBack: ['agent-key/another'] });
    expect((await look(fence)).regions[0].state).toBe('seen');
  });

  test('a sweep that began before the change commits proves nothing of it', async () => {
    await empty();
    const session = await sql.reserve();
    await session`begin`;
    const [opened] = await session`select open_fence() as id`;
    await session`update agent_keys set permissions = '{x}' where cluster_id = ${clusterId}`;
    await sweep(north, { heldBack: [], midway: true });
    await session`commit`;
    session.release();
    await sql`delete from outbox`;
    const found = await look(opened!.id);
    expect(found.regions.map((one: { state: string }) => one.state)).toEqual(['pending', 'pending']);
    await sweep(north);
    expect((await look(opened!.id)).regions[0].state).toBe('seen');
  });

  test('the feed: numbers of another incarnation prove nothing, until a sweep', async () => {
    await empty();
    const { fence } = await newKey();
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([north, south], [{ id: 'gw_1', watermark: 1000, incarnation: 'f2' }]);
    expect((await look(fence)).regions[0]).toMatchObject({ state: 'stored', seenBy: 0 });
    await sweep(north, { heldBack: [], incarnation: 'f2' });
    expect((await look(fence)).regions[0]).toMatchObject({ state: 'seen', seenBy: 1 });
  });

  test('a lease: the relay that completes counts, once, and its jobs are waited for', async () => {
    await empty();
    const { fence } = await newKey();
    const [change] = await claimChanges(db(), {
      claimant: 'frozen',
      leaseMs: 1,
      limit: 10,
      takes: 'all-else',
    });
    await systemClock.sleep(5);
    const receipts = twoJobs();
    await relay(receipts);
    const job = { fence, region: north, receipt: 'of the frozen' };
    await completeChanges(db(), 'frozen', [change!.id], [job]);
    const [row] = await sql`select rows_written, rows_relayed from fences where id = ${fence}`;
    expect(row).toEqual({ rows_written: 1, rows_relayed: 1 });
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([north, south], []);
    expect((await look(fence)).complete).toBe(true);
  });
});

describe('waiting', () => {
  test('is answered when the fence is seen, not before and not at the timeout', async () => {
    await empty();
    const { fence } = await newKey();
    let answered = false;
    const waiting = look(fence, '?timeoutMs=20000').then((body) => {
      answered = true;
      return body;
    });
    const receipts = twoJobs();
    await relay(receipts);
    for (const id of Object.values(receipts)) await writeReceipt(db(), receipt(id));
    await report([north], []);
    await systemClock.sleep(300);
    expect(answered).toBe(false);
    const startedAt = systemClock.monotonic();
    await report([south], []);
    await notifyProgress(db());
    expect((await waiting).complete).toBe(true);
    expect(systemClock.monotonic() - startedAt).toBeLessThan(5_000);
  });

  test('ends at the timeout, with why', async () => {
    await empty();
    const answer = await hub.owner.post('/v1/agent-keys?wait=regions&timeoutMs=300', {
      clusterId,
      name: 'k',
    });
    expect([answer.status, answer.headers.get('spokecast-propagation')]).toEqual([201, 'incomplete']);
    expect((await look(answer.headers.get('spokecast-fence')!)).complete).toBe(false);
  });

  test('does not last for a region that is disabled, which is shown', async () => {
    await empty();
    for (const region of [north, south])
      await hub.owner.patch(`/v1/regions/${region}`, { status: 'disabled' });
    const { fence } = await newKey();
    const startedAt = systemClock.monotonic();
    const found = await look(fence, '?timeoutMs=20000');
    expect(systemClock.monotonic() - startedAt).toBeLessThan(10_000);
    expect(found.complete).toBe(false);
    expect(found.regions[0]).toMatchObject({
      state: 'disabled',
      reason: expect.stringContaining('disabled'),
    });
    for (const region of [north, south]) await hub.owner.patch(`/v1/regions/${region}`, { status: 'active' });
  });

  test('[law 8] is bounded: beyond that a mutation is refused before it changes anything', async () => {
    await empty();
    const { id, fence } = await newKey();
    const waiting = [1, 2, 3].map(() => look(fence, '?timeoutMs=1500'));
    await expect.poll(() => hub.hub.services.waits.count).toBe(3);
    const refused = await hub.owner.delete(`/v1/agent-keys/${id}?wait=regions`);
    expect(refused.body).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect((await hub.owner.get(`/v1/agent-keys/${id}`)).status).toBe(200);
    expect((await hub.owner.get(`/v1/fences/${fence}?timeoutMs=1000`)).status).toBe(503);
    await Promise.all(waiting);
    expect(hub.hub.services.waits.count).toBe(0);
  });

  test('[law 8] leaves places that one tenant cannot take', async () => {
    await empty();
    const { secret } = await make.applicationKey(hub.owner, { role: 'admin', tenantId });
    const own = hub.as(secret);
    const made = await own.post('/v1/agent-keys', { clusterId, name: 'k' });
    const fence = made.headers.get('spokecast-fence')!;
    const waiting = own.get(`/v1/fences/${fence}?timeoutMs=30000`);
    await expect.poll(() => hub.hub.services.waits.count, { timeout: 30_000 }).toBe(1);
    const refused = await own.delete(`/v1/agent-keys/${made.body.id}?wait=regions`);
    expect(refused.body).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect((await own.get(`/v1/agent-keys/${made.body.id}`)).status).toBe(200);
    expect((await look(fence, '?timeoutMs=1')).complete).toBe(false);
    for (const region of [north, south])
      await hub.owner.patch(`/v1/regions/${region}`, { status: 'disabled' });
    expect((await waiting).status).toBe(200);
    for (const region of [north, south]) await hub.owner.patch(`/v1/regions/${region}`, { status: 'active' });
    expect(hub.hub.services.waits.count).toBe(0);
  });

  test('refuses what is no time to wait', async () => {
    const { id, fence } = await newKey();
    for (const query of ['timeoutMs=x', 'timeoutMs=60001', 'timeoutMs=-1']) {
      expect((await hub.owner.get(`/v1/fences/${fence}?${query}`)).body.errors[0].pointer).toBe('?timeoutMs');
      expect((await hub.owner.delete(`/v1/agent-keys/${id}?wait=regions&${query}`)).status).toBe(400);
    }
    expect((await hub.owner.delete(`/v1/agent-keys/${id}?wait=all`)).body.errors[0].pointer).toBe('?wait');
  });

  test('ends when the hub stops, and goes on at another', async () => {
    await empty();
    const { fence } = await newKey();
    await using second = await startHub({ databaseUrl: hub.databaseUrl });
    const waiting = second.as(hub.owner.secret).get(`/v1/fences/${fence}?timeoutMs=30000`);
    await expect.poll(() => second.hub.services.waits.count).toBe(1);
    second.hub.beginToStop();
    const answer = await waiting;
    expect([answer.status, answer.body.complete]).toEqual([200, false]);
  });
});

describe('who may see it', () => {
  test('a replay answers with the same fence', async () => {
    await empty();
    const send = () =>
      hub.owner.post(
        '/v1/agent-keys?wait=regions&timeoutMs=1',
        { clusterId, name: 'k' },
        { headers: { 'idempotency-key': 'one' } },
      );
    const [first, second] = [await send(), await send()];
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.headers.get('spokecast-fence')).toBe(first.headers.get('spokecast-fence'));
    const without = await hub.owner.post(
      '/v1/agent-keys',
      { clusterId, name: 'k' },
      { headers: { 'idempotency-key': 'one' } },
    );
    expect(without.headers.get('spokecast-fence'), 'how it is waited for is no part of the request').toBe(
      first.headers.get('spokecast-fence'),
    );
  });

  test("a tenant's key sees its tenant's fences and no other", async () => {
    const own = hub.as((await make.applicationKey(hub.owner, { role: 'admin', tenantId })).secret);
    const others = hub.as(
      (await make.applicationKey(hub.owner, { role: 'owner', tenantId: await make.tenant(hub.owner) }))
        .secret,
    );
    const made = await own.post('/v1/agent-keys', { clusterId, name: 'k' });
    const path = `/v1/fences/${made.headers.get('spokecast-fence')}`;
    expect((await own.get(path)).status).toBe(200);
    expect((await hub.owner.get(path)).status).toBe(200);
    expect((await others.get(path)).status).toBe(404);
    expect((await own.get(`/v1/fences/${(await newKey()).fence}`)).status).toBe(404);
  });

  test('SQL opens one where it wants one', async () => {
    await empty();
    const [opened] = await sql.begin(async (tx) => {
      const rows = await tx`select open_fence() as id`;
      await tx`update tenants set status = 'suspended' where id = ${tenantId}`;
      return rows;
    });
    expect((await look(opened!.id)).regions).toHaveLength(2);
    await sql`update tenants set status = 'active' where id = ${tenantId}`;
    const rows = await sql`select fences from outbox order by id`;
    expect(rows.map((row) => row.fences)).toEqual([[opened!.id], null]);
  });
});
