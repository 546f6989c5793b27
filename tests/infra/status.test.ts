import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { HubClient } from '../../infra/bin/hub-client.ts';
import { collectFacts, type RegionFacts } from '../../infra/bin/status/collect.ts';
import { judge } from '../../infra/bin/status/judge.ts';
import { age, statusScreen } from '../../infra/bin/status/screen.ts';
import type { Gateway, Region, Seeding, Sweep, SweepCounts } from '../../infra/client/hub-api.ts';

const atMs = Date.parse('2026-11-21T12:00:00.000Z');
const ago = (ms: number) => new Date(atMs - ms).toISOString();

const region: Region = {
  id: 'eu-west-1',
  status: 'active',
  createdAt: ago(9e9),
  updatedAt: ago(9e9),
  publishing: { state: 'open', reason: null, held: 0, quarantined: 0, heldAhead: 0, freeze: null },
};
const counts = { scanned: 1_200, missing: 0, stale: 0, corrupt: 0, orphan: 0, ahead: 0 } as SweepCounts;
const sweep = { id: 'swp_1', status: 'completed', counts, error: null, finishedAt: ago(60_000) } as Sweep;
const gateway = (more: Partial<Gateway> = {}) =>
  ({ id: 'gw_1', state: 'live', build: '0.1.0', watermark: 40, degraded: false, ...more }) as Gateway;
const heartbeat = (builtAgoMs: number, state = 'in-sync') =>
  ({ state, detail: null, stored: { builtAt: ago(builtAgoMs) } }) as RegionFacts['heartbeat'];

const well: RegionFacts = {
  region,
  gateways: [gateway()],
  completedSweep: sweep,
  latestSweep: sweep,
  seeding: undefined,
  heartbeat: heartbeat(4_000),
};
const judged = (more: Partial<RegionFacts>) => judge({ atMs, regions: [{ ...well, ...more }] }).regions[0]!;
const publishing = (more: object) => ({
  region: { ...region, publishing: { ...region.publishing!, ...more } },
});

describe('a region is', () => {
  test('ok where changes arrive and nobody has to look', () => {
    expect(judged({})).toMatchObject({
      ...{ health: 'ok', reasons: [], heartbeatAgeMs: 4_000, contexts: 1_200, drift: {}, sweptAgoMs: 60_000 },
      gateways: [{ id: 'gw_1', watermark: 40, build: '0.1.0' }],
    });
  });

  const unreachable = { state: 'unreachable', detail: 'the store does not answer', stored: null };
  test.each<[string, Partial<RegionFacts>, RegExp]>([
    ['down', { heartbeat: unreachable as RegionFacts['heartbeat'] }, /^store: the store does not answer/],
    ['down', { heartbeat: heartbeat(30_001, 'stale') }, /do not arrive/],
    ['down', { heartbeat: heartbeat(30_001) }, /does a publisher run/],
    ['ok', { heartbeat: heartbeat(30_000) }, /^$/],
    ['look', { heartbeat: undefined }, /ever made/],
    ['down', publishing({ state: 'ahead', reason: 'restored' }), /^ahead: restored$/],
    ['look', publishing({ heldAhead: 2 }), /^2 left to a person/],
    ['look', publishing({ held: 3 }), /^3 held/],
    ['look', publishing({ quarantined: 1 }), /^1 quarantined/],
    [
      'look',
      { ...publishing({ freeze: { mode: 'all', reason: 'incident' } }), heartbeat: heartbeat(9e6) },
      /^frozen \(all\): incident$/,
    ],
    [
      'look',
      { completedSweep: { ...sweep, counts: { ...counts, stale: 2, orphan: 1 } } },
      /found 2 stale, 1 orphan/,
    ],
    [
      'look',
      { latestSweep: { ...sweep, status: 'failed', error: 'STORE_THROTTLED' } },
      /failed: STORE_THROTTLED/,
    ],
    ['look', { completedSweep: { ...sweep, finishedAt: ago(1_800_001) } }, /half an hour/],
    ['look', { gateways: [] }, /no gateway reports/],
    ['look', { gateways: [gateway(), gateway({ state: 'unknown' })] }, /1 gateways have stopped/],
    ['look', { gateways: [gateway({ degraded: true })] }, /answer from memory/],
    ['look', { region: { ...region, status: 'draining' } }, /^draining$/],
    [
      'look',
      {
        region: { ...region, status: 'seeding' },
        heartbeat: undefined,
        seeding: {
          phase: 'filling',
          contexts: { total: 10, filled: 4 },
          error: null,
          finishedAt: null,
        } as Seeding,
      },
      /^seeding: filling, 4 of 10$/,
    ],
    ['off', { region: { ...region, status: 'disabled' }, gateways: [] }, /^disabled$/],
  ])('%s with %j', (health, facts, reason) => {
    const found = judged(facts);
    expect(found.health).toBe(health);
    expect(found.reasons.join('; ')).toMatch(reason);
  });

  test('and the worst of all is how the whole is', () => {
    const all = (...some: Partial<RegionFacts>[]) =>
      judge({ atMs, regions: some.map((one) => ({ ...well, ...one })) }).health;
    expect(all()).toBe('ok');
    expect(all({}, { gateways: [] })).toBe('look');
    expect(all({ heartbeat: heartbeat(9e6) }, { gateways: [] }, {})).toBe('down');
    expect(all({ region: { ...region, status: 'disabled' } })).toBe('ok');
  });
});

test('the screen has a line a region, and below it what to look at', () => {
  const regions = [
    {
      ...well,
      gateways: [gateway(), gateway({ watermark: 38 }), gateway({ state: 'unknown', watermark: 1 })],
    },
    {
      ...well,
      region: { ...region, id: 'us-east-1', publishing: { ...region.publishing!, held: 2, quarantined: 1 } },
    },
  ];
  const screen = statusScreen(judge({ atMs, regions }), 'http://hub');
  expect(screen.split('\n')).toEqual([
    'http://hub  2026-11-21T12:00:00.000Z  LOOK: 2 look',
    '',
    expect.stringMatching(
      /^REGION +HEALTH +STATUS +HEARTBEAT +CONTEXTS +DRIFT +HELD +FROZEN +GATEWAYS +BUILDS +WATERMARK +SWEPT$/,
    ),
    expect.stringMatching(
      /^eu-west-1 +look +active +4 s +1200 +none +0 +- +2\/3 +0\.1\.0 +38\.\.40 +60 s ago$/,
    ),
    expect.stringMatching(/^us-east-1 +look +active +4 s +1200 +none +2\+1 +- +1 +0\.1\.0 +40 +60 s ago$/),
    '',
    'eu-west-1: 1 gateways have stopped reporting',
    'us-east-1: 2 held: spokecast holds list us-east-1',
    'us-east-1: 1 quarantined: spokecast quarantine list us-east-1',
  ]);
  expect(statusScreen(judge({ atMs, regions: [] }), 'http://hub')).toContain('spokecast regions add');
  expect([0, 119_000, 120_000, 7_200_000, 172_800_000].map(age)).toEqual([
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
  ]);
});

describe('what is asked of the hub', () => {
  /** A hub with two regions: of `young` no heartbeat was ever made, `gone` is removed while it is asked about. */
  const answers: Record<string, unknown> = {
    '/v1/regions': {
      items: [region, { ...region, id: 'young' }, { ...region, id: 'gone' }],
      nextCursor: null,
    },
    '/v1/contexts/heartbeat/eu-west-1': { head: {}, regions: [{ ...heartbeat(1_000), region: 'eu-west-1' }] },
  };
  const empty = /^\/v1\/(sweeps|seedings|regions\/(eu-west-1|young)\/gateways)$/;

  test('a region without a heartbeat is told of, one that is gone meanwhile is not', async () => {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, 'http://hub');
      const found = answers[pathname] ?? (empty.test(pathname) ? { items: [], nextCursor: null } : undefined);
      const absent = { type: 'about:blank', title: 'There is no such thing', status: 404, code: 'NOT_FOUND' };
      response.writeHead(found ? 200 : 404, {
        'content-type': found ? 'application/json' : 'application/problem+json',
      });
      response.end(JSON.stringify(found ?? absent));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const hub = new HubClient({ url: `http://127.0.0.1:${port}`, applicationKey: 'spa_x' });
      const facts = await collectFacts(hub);
      expect(facts.regions.map((one) => [one.region.id, one.heartbeat?.state])).toEqual([
        ['eu-west-1', 'in-sync'],
        ['young', undefined],
      ]);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
