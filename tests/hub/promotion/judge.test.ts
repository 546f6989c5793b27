import { describe, expect, test } from 'vitest';
import { seal, tombstone } from '../../../contexts/envelope.ts';
import { encodeVersion } from '../../../contexts/revision.ts';
import { noVerifier } from '../../../contexts/secrets.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { type Evidence, evidenceOf, type Testimony, type Witness } from '../../../hub/promotion/evidence.ts';
import { judgeKey, judgeThing, type KeyRow, whereaboutsOf } from '../../../hub/promotion/judge.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** The backup was taken when 100 revisions were drawn. */
const hub = { epoch: 3, runFirst: 101 };
const verifier = 'v'.repeat(43);
const body = (more: object = {}) => ({
  ...{
    tenantId: 'ten_1',
    clusterId: 'vci_1',
    verifier,
    status: 'active',
    expiresAtMs: null,
    permissions: ['a', 'b'],
  },
  ...more,
});
const row: KeyRow = {
  ...{ id: 'aki_1', clusterId: 'vci_1', revision: 50, status: 'active', expiresAtMs: 9_000, verifier },
  permissions: ['a', 'b'],
};
const live = (region: string, revision: number, more: object = {}, epoch = 3): Testimony => ({
  ...{ region, epoch, revision },
  body: body({ expiresAtMs: 9_000, ...more }),
});
const dead = (region: string, revision: number, epoch = 3): Testimony => ({
  ...{ region, epoch, revision },
  body: null,
});
const everywhere = { liveIn: ['east', 'west'], gone: false };

describe('an agent key', () => {
  const verdict = (testimonies: Testimony[], cluster = everywhere, key = row) =>
    judgeKey(key, testimonies, cluster, hub);

  test.each<[string, Testimony[], typeof everywhere, string]>([
    ['nothing is known of', [], everywhere, 'as-backup'],
    ['is as it was', [live('east', 50), live('west', 50)], everywhere, 'as-backup'],
    [
      'was stale in a region, disabled before it was activated again',
      [live('east', 40, { status: 'disabled' }), live('west', 50)],
      everywhere,
      'as-backup',
    ],
    ['a tombstone of which is older than the backup', [dead('east', 40)], everywhere, 'as-backup'],
    ['is a tombstone everywhere', [dead('east', 110), dead('west', 110)], everywhere, 'revoked'],
    [
      'is a tombstone in one region, and the other is behind',
      [dead('east', 110), live('west', 50)],
      everywhere,
      'revoked',
    ],
    [
      'was moved: live elsewhere under the same revision',
      [dead('east', 110), live('west', 110)],
      { liveIn: ['west'], gone: false },
      'as-backup',
    ],
    [
      'was moved and changed again',
      [dead('east', 110), live('west', 120)],
      { liveIn: ['west'], gone: false },
      'as-backup',
    ],
    [
      'was moved, then revoked',
      [dead('east', 110), dead('west', 120)],
      { liveIn: ['west'], gone: false },
      'revoked',
    ],
    [
      'left a region with its cluster, and the other is behind',
      [dead('east', 110), live('west', 50)],
      { liveIn: ['west'], gone: false },
      'doubtful',
    ],
    [
      'left a region with its cluster, and nothing else is known of',
      [dead('east', 110)],
      { liveIn: ['west'], gone: false },
      'doubtful',
    ],
    [
      'went with its cluster',
      [dead('east', 110), dead('west', 110)],
      { liveIn: [], gone: true },
      'gone-with-cluster',
    ],
    [
      'was revoked in an epoch that the backup does not know',
      [dead('east', 5, 4), live('west', 300)],
      { liveIn: ['east'], gone: false },
      'revoked',
    ],
  ])('that %s', (_what, testimonies, cluster, expected) => {
    expect(verdict(testimonies, cluster).verdict).toBe(expected);
  });

  test('that the restored hub has changed since is judged by what is newer than the backup, not than the change', () => {
    const changed = { ...row, revision: 130 };
    expect(verdict([dead('east', 110)], everywhere, changed).verdict).toBe('revoked');
    expect(verdict([dead('east', 90)], everywhere, changed).verdict).toBe('as-backup');
  });

  test.each<[object, object]>([
    [{ status: 'disabled' }, { status: 'disabled' }],
    [{ expiresAtMs: 5_000 }, { expiresAtMs: 5_000 }],
    [{ permissions: ['b', 'c'] }, { permissions: ['b'] }],
    [{ verifier: 'w'.repeat(43) }, { secrets: { present: 'w'.repeat(43), retiring: [] } }],
    [
      {
        verifier: 'w'.repeat(43),
        verifiers: [
          { verifier: 'w'.repeat(43), endsAtMs: null },
          { verifier, endsAtMs: 7_000 },
        ],
      },
      { secrets: { present: 'w'.repeat(43), retiring: [{ verifier, endsAtMs: 7_000 }] } },
    ],
    [
      {
        verifier: noVerifier,
        verifiers: [{ verifier, endsAtMs: null }],
        allowedNetworks: ['10.0.0.0/8'],
        rateLimit: { limit: 5, windowMs: 1_000 },
      },
      { allowedNetworks: ['10.0.0.0/8'], rateLimit: { limit: 5, windowMs: 1_000 } },
    ],
    [{ verifier: noVerifier, allowedNetworks: ['10.0.0.0/8'] }, { allowedNetworks: ['10.0.0.0/8'] }],
  ])('that may do less since: %j', (held, changes) => {
    expect(verdict([live('east', 110, held)])).toEqual({ verdict: 'tightened', changes });
  });

  test('that has bounds keeps what both allow', () => {
    const bounded: KeyRow = {
      ...row,
      verifier: noVerifier,
      verifiers: [
        { verifier, endsAtMs: null },
        { verifier: 'o'.repeat(43), endsAtMs: 9_000 },
      ],
      allowedNetworks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.0/24'],
      rateLimit: { limit: 10, windowMs: 1_000 },
    };
    const since = (more: object) => {
      const { verifiers, allowedNetworks, rateLimit } = bounded;
      const held = { verifier: noVerifier, verifiers, allowedNetworks, rateLimit, ...more };
      const found = verdict([live('east', 110, held)], everywhere, bounded);
      return found.verdict === 'tightened' ? found.changes : found.verdict;
    };
    expect(since({})).toBe('as-backup');
    expect(since({ allowedNetworks: undefined, rateLimit: undefined })).toBe('as-backup');
    expect(since({ allowedNetworks: ['0.0.0.0/0', '2001:db8:1::/48'] })).toEqual({
      allowedNetworks: ['10.0.0.0/8', '192.0.2.0/24', '2001:db8:1::/48'],
    });
    expect(since({ allowedNetworks: ['198.51.100.0/24'] })).toEqual({ allowedNetworks: [] });
    expect(since({ rateLimit: { limit: 20, windowMs: 5_000 } })).toEqual({
      rateLimit: { limit: 10, windowMs: 5_000 },
    });
    expect(since({ verifiers: [{ verifier, endsAtMs: null }] })).toEqual({
      secrets: { present: verifier, retiring: [] },
    });
  });

  test('that may do more since is as in the backup', () => {
    expect(verdict([live('east', 110, { expiresAtMs: null, permissions: ['a', 'b', 'c'] })]).verdict).toBe(
      'as-backup',
    );
    const disabled = { ...row, status: 'disabled' as const };
    expect(verdict([live('east', 110)], everywhere, disabled).verdict).toBe('as-backup');
  });
});

test('a cluster or a tenant is denied or gone only by what is newer than the backup', () => {
  const thing = { revision: 50, status: 'active' };
  expect(judgeThing(thing, [live('east', 110, { status: 'disabled' })], hub).verdict).toBe('denied');
  expect(judgeThing(thing, [live('east', 40, { status: 'disabled' })], hub).verdict).toBe('as-backup');
  expect(judgeThing(thing, [dead('east', 110), dead('west', 50)], hub).verdict).toBe('gone');
  expect(judgeThing(thing, [dead('east', 110), live('west', 110)], hub).verdict).toBe('as-backup');
  expect(whereaboutsOf(thing, [dead('east', 110), live('west', 110)], hub)).toEqual({
    liveIn: ['west'],
    gone: false,
  });
  // What a region that is behind still holds of it says nothing.
  expect(whereaboutsOf(thing, [dead('east', 110), live('west', 50)], hub)).toEqual({
    liveIn: [],
    gone: true,
  });
});

describe('evidence', () => {
  const clock = new VirtualClock();
  async function witness(
    id: string,
    held: { key: string; revision: number; live?: boolean; epoch?: number }[],
    more: { highWater?: number; confirmed?: boolean } = {},
  ): Promise<Witness> {
    const store = new MemoryStore({ clock });
    await store.initialise({ environment: 't', region: id, hubId: 'h' }, { shards: 4, newIncarnation: id });
    for (const { key, revision, epoch = 3, live: isLive = true } of held) {
      const input = { kind: 'agent-key', key, epoch, revision, builtAtMs: 0 } as const;
      const sealed = seal({ ...input, body: body() });
      if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
      await store.put(isLive ? sealed.envelope : tombstone(input));
    }
    await store.raiseHighWater(
      encodeVersion({ epoch: 3, revision: more.highWater ?? 1_000, schemaVersion: 1 }),
    );
    const found = await store.readIdentity();
    if (found.outcome !== 'identity') throw new Error('no identity');
    return { id, store, identity: found.identity, confirmed: more.confirmed ?? false };
  }
  async function collect(witnesses: Witness[]) {
    const all: Evidence[] = [];
    const unexplained: string[] = [];
    const onUnexplained = (ref: { key: string }, region: string) => unexplained.push(`${region} ${ref.key}`);
    for await (const one of evidenceOf('agent-key', witnesses, { hub, onUnexplained })) all.push(one);
    const told = all.map(({ key, testimonies }) => [
      key,
      testimonies.map((one) => `${one.region}@${one.revision}`),
    ]);
    return { told, unexplained };
  }

  test('comes key by key, from all regions that hold it', async () => {
    const east = await witness('east', [
      { key: 'aki_b', revision: 2 },
      { key: 'aki_a', revision: 1 },
    ]);
    const west = await witness('west', [
      { key: 'aki_c', revision: 3 },
      { key: 'aki_b', revision: 4, live: false },
    ]);
    expect((await collect([east, west])).told).toEqual([
      ['aki_a', ['east@1']],
      ['aki_b', ['east@2', 'west@4']],
      ['aki_c', ['west@3']],
    ]);
  });

  test('is nothing above all that was published there: no publisher put it', async () => {
    const east = await witness('east', [{ key: 'aki_a', revision: 500 }], { highWater: 400 });
    expect(await collect([east])).toEqual({ told: [['aki_a', []]], unexplained: ['east aki_a'] });
  });

  test('is nothing that the restored hub has published itself', async () => {
    const held = [
      { key: 'aki_a', revision: 105 },
      { key: 'aki_b', revision: 99 },
    ];
    const told = (await collect([await witness('east', held, { confirmed: true })])).told;
    expect(told).toEqual([
      ['aki_a', []],
      ['aki_b', ['east@99']],
    ]);
  });
});
