import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../contexts/base/clock.ts';
import { open } from '../../../contexts/envelope.ts';
import { type ContextRef, kindNames, refText } from '../../../contexts/kinds/index.ts';
import { decodeVersion } from '../../../contexts/revision.ts';
import { noVerifier } from '../../../contexts/secrets.ts';
import {
  type Build,
  buildContexts,
  type Draft,
  draftRange,
  holdersOf,
} from '../../../hub/db/builders/index.ts';
import { HubDatabase, verifier } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2', 'r3');
});
afterEach(() => hub.endSessions());
afterAll(() => hub[Symbol.asyncDispose]());
beforeEach(async () => {
  await hub.sql`delete from tenants`;
  await hub.sql`delete from holdings`;
  await hub.sql`delete from heads`;
});

const build = (region: string, ...refs: ContextRef[]) => buildContexts(hub.db, region, refs, systemClock);
const tenant = (key: string): ContextRef => ({ kind: 'tenant', key });
const cluster = (key: string): ContextRef => ({ kind: 'cluster', key });
const agentKey = (key: string): ContextRef => ({ kind: 'agent-key', key });

function bodyOf(build: Build | undefined): Record<string, unknown> {
  if (build?.state !== 'live') throw new Error(`not live: ${JSON.stringify(build)}`);
  const opened = open(build.envelope);
  if (opened.outcome !== 'live') throw new Error(opened.outcome);
  return opened.body;
}

/** What is valid is drafted as it is built, or a sweep would build and validate every context. */
function asDrafted(draft: Draft): Build {
  const build = draft.build();
  const { version, bodyText } = draft;
  if (build.state === 'live' && build.invalid === undefined)
    expect({ version, bodyText }).toEqual({
      version: build.envelope.version,
      bodyText: build.envelope.bodyText,
    });
  return build;
}

/** Everything the region is to hold, by pages of `limit`. */
async function wholeRange(region: string, limit: number): Promise<Build[]> {
  const all: Build[] = [];
  for (const kind of kindNames) {
    for (let after = ''; ; ) {
      const page = await draftRange(hub.db, region, kind, { after, limit }, systemClock);
      all.push(...page.map(asDrafted));
      if (page.length < limit) break;
      after = page.at(-1)!.key;
    }
  }
  return all;
}

const told = (build: Build) =>
  build.state === 'live' || build.state === 'gone'
    ? {
        ref: refText(build.ref),
        state: build.state,
        version: build.envelope.version,
        body: build.envelope.bodyText,
      }
    : build;

/** Some of everything: placed here, there and nowhere, disabled, overridden, expiring. */
async function population(): Promise<ContextRef[]> {
  const refs: ContextRef[] = [];
  for (let n = 0; n < 6; n++) {
    const regions = ['r1', 'r2', 'r3'].filter((_, at) => (n + 1) & (1 << at));
    await hub.cluster(`vci_${n}`, `ten_${n % 4}`, ...regions);
    refs.push(tenant(`ten_${n % 4}`), cluster(`vci_${n}`));
    for (let k = 0; k < 4; k++) {
      await hub.key(`aki_${n}_${k}`, `vci_${n}`);
      refs.push(agentKey(`aki_${n}_${k}`));
    }
  }
  await hub.sql`update placements set overrides = '{"upstreamUrl":"https://r1.example"}' where region = 'r1'`;
  await hub.sql`update agent_keys set expires_at = '2031-05-06 07:08:09.1239+00', permissions = '{b,a}' where id like '%_1'`;
  await hub.sql`update agent_keys set status = 'disabled' where id like '%_2'`;
  await hub.sql`delete from agent_keys where id like '%_3'`;
  await hub.sql`delete from placements where cluster_id = 'vci_2'`;
  await hub.sql`update tenants set status = 'suspended' where id = 'ten_1'`;
  return [...new Map(refs.map((ref) => [refText(ref), ref])).values()];
}

test('a placement outside of residency derives nothing there, however it came to be', async () => {
  await hub.sql`insert into tenants (id, name) values ('ten_1', 'Acme')`;
  await hub.sql`insert into clusters (id, tenant_id, name, upstream_url) values ('vci_1', 'ten_1', 'c', 'http://up')`;
  await hub.sql`insert into agent_keys (id, cluster_id, name, verifier) values ('aki_1', 'vci_1', 'k', ${verifier})`;
  await hub.sql`insert into placements (cluster_id, region) values ('vci_1', 'r1'), ('vci_1', 'r2')`;
  await hub.sql.begin(async (sql) => {
    await sql`alter table tenants disable trigger keep_residency`;
    await sql`update tenants set allowed_regions = '{r1,r3}'`;
    await sql`alter table tenants enable always trigger keep_residency`;
  });
  const refs = [tenant('ten_1'), cluster('vci_1'), agentKey('aki_1')];
  const states = async (region: string) => (await build(region, ...refs)).map(({ state }) => state);
  expect(await states('r1')).toEqual(['live', 'live', 'live']);
  expect(await states('r2')).toEqual(['gone', 'gone', 'gone']);
  expect(await wholeRange('r1', 2)).toHaveLength(3);
  expect(await wholeRange('r2', 2)).toEqual([]);
});

describe('refresh and sweep', () => {
  test.each(['r1', 'r2', 'r3'])('[law 3] agree on every context of every kind in %s', async (region) => {
    const refs = await population();
    const ranged = await wholeRange(region, 3);
    const built = await build(region, ...refs);
    const byKind = kindNames.flatMap((kind) =>
      built
        .filter(({ ref, state }) => ref.kind === kind && state === 'live')
        .sort((a, b) => (a.ref.key < b.ref.key ? -1 : 1)),
    );
    expect(ranged.length).toBeGreaterThan(5);
    expect(ranged.map(told)).toEqual(byKind.map(told));
  });

  test('ranges are in byte order, whatever the size of the pages', async () => {
    const ids = ['aki_a', 'aki_a.b', 'aki_a:b', 'aki_a-b', 'aki_a_b', 'aki_ab', 'aki_z', 'aki_0', 'aki_a0'];
    await hub.cluster('vci_1', 'ten_1', 'r1');
    for (const id of ids) await hub.key(id, 'vci_1');
    const inBytes = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const limit of [1, 2, 5, 100]) {
      const keys = (await wholeRange('r1', limit)).filter(({ ref }) => ref.kind === 'agent-key');
      expect(keys.map(({ ref }) => ref.key)).toEqual(inBytes);
    }
  });
});

describe('a build', () => {
  test('is live, gone or unknown, in the order asked for, whatever is asked twice', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    await hub.key('aki_2', 'vci_1');
    await hub.sql`delete from agent_keys where id = 'aki_2'`;
    const refs = [agentKey('aki_2'), tenant('ten_x'), agentKey('aki_1'), cluster('vci_1'), agentKey('aki_2')];
    expect((await build('r1', ...refs)).map(({ ref, state }) => `${refText(ref)} ${state}`)).toEqual([
      'agent-key/aki_2 gone',
      'tenant/ten_x unknown',
      'agent-key/aki_1 live',
      'cluster/vci_1 live',
      'agent-key/aki_2 gone',
    ]);
    expect((await build('r2', ...refs)).map(({ state }) => state)).toEqual([
      'gone',
      'unknown',
      'gone',
      'gone',
      'gone',
    ]);
    expect(await build('r1')).toEqual([]);
  });

  test('a tombstone carries the revision of its head', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.sql`delete from clusters`;
    const [gone] = await build('r1', cluster('vci_1'));
    if (gone?.state !== 'gone') throw new Error('unreachable');
    expect(decodeVersion(gone.envelope.version)?.revision).toBe(await hub.revision('cluster', 'vci_1'));
    expect(gone.envelope.bodyText).toBeNull();
  });

  test('[law 2] a tombstone is kept from now on by the database, however far back the clock of a publisher', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    const aWeekAgo: Clock = { ...systemClock, now: () => Date.now() - 7 * 86_400_000 };
    const placed = await buildContexts(hub.db, 'r2', [cluster('vci_1')], aWeekAgo);
    await hub.sql`delete from clusters`;
    const deleted = await buildContexts(hub.db, 'r1', [cluster('vci_1')], aWeekAgo);
    for (const [gone] of [placed, deleted]) {
      if (gone?.state !== 'gone') throw new Error('unreachable');
      expect(Math.abs(gone.envelope.builtAtMs - Date.now())).toBeLessThan(3_600_000);
    }
  });

  test('what a placement overrides replaces the global value, in its region alone', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
    await hub.sql`update clusters set settings = '{"a":1,"b":2}'`;
    await hub.sql`
      update placements set overrides = '{"upstreamUrl":"https://r1.example","settings":{"c":3}}' where region = 'r1'`;
    expect(bodyOf((await build('r1', cluster('vci_1')))[0])).toMatchObject({
      upstreamUrl: 'https://r1.example',
      settings: { c: 3 },
    });
    expect(bodyOf((await build('r2', cluster('vci_1')))[0])).toMatchObject({
      upstreamUrl: 'https://up.example',
      settings: { a: 1, b: 2 },
    });
  });

  test('a list of upstreams goes with the URL for gateways that do not know it, and either way overrides both', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
    const wide = [{ url: 'https://a.example', priority: 0, weight: 2 }];
    const own = [
      { url: 'https://spare.example', priority: 1, weight: 9 },
      { url: 'https://light.example', priority: 0, weight: 1 },
      { url: 'https://heavy.example', priority: 0, weight: 5 },
    ];
    await hub.sql`update clusters set upstreams = ${hub.sql.json(wide)}`;
    const places = async () => {
      const { upstreamUrl, upstreams } = bodyOf((await build('r1', cluster('vci_1')))[0]);
      return [upstreamUrl, upstreams];
    };
    const override = (overrides: object) =>
      hub.sql`update placements set overrides = ${hub.sql.json(overrides as never)} where region = 'r1'`;
    expect(await places()).toEqual(['https://up.example', wide]);
    await override({ upstreamUrl: 'https://r1.example' });
    expect(await places()).toEqual(['https://r1.example', undefined]);
    await override({ upstreams: own });
    expect(await places()).toEqual(['https://heavy.example', own]);
    await override({ upstreams: own, upstreamUrl: 'https://r1.example' });
    expect(await places()).toEqual(['https://r1.example', own]);
    expect(bodyOf((await build('r2', cluster('vci_1')))[0]).upstreams).toEqual(wide);
  });

  test('[law 10] of a key has the verifier and nothing else of the row', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    expect(bodyOf((await build('r1', agentKey('aki_1')))[0])).toEqual({
      tenantId: 'ten_1',
      clusterId: 'vci_1',
      verifier,
      status: 'active',
      expiresAtMs: null,
      permissions: [],
    });
  });

  test.each([
    ['2031-01-01 00:00:00+00', Date.UTC(2031, 0, 1)],
    ['2031-01-01 00:00:00.0019+00', Date.UTC(2031, 0, 1) + 1],
    ['infinity', null],
    ['-infinity', 0],
    ['1969-12-31 00:00:00+00', 0],
    ['1970-01-01 00:00:00+00', 0],
  ])('a key that expires at %s', async (at, expected) => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    await hub.sql`update agent_keys set expires_at = ${at}::text::timestamptz`;
    expect(bodyOf((await build('r1', agentKey('aki_1')))[0]).expiresAtMs).toBe(expected);
  });

  test('the bounds of a key, and no verifier for those who would not keep them', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    const present = 'p'.repeat(43);
    const old = { verifier: 'o'.repeat(43), endsAtMs: 1_900_000_000_000 };
    const body = async (change: string) => {
      await hub.sql.unsafe(`update agent_keys set ${change}`);
      return bodyOf((await build('r1', agentKey('aki_1')))[0]);
    };
    expect(await body('rate_limit = 5, rate_window_ms = 60000')).toMatchObject({
      verifier,
      rateLimit: { limit: 5, windowMs: 60_000 },
    });
    const retiring = `retiring = '${JSON.stringify([old])}'`;
    const rotated = await body(`verifier = '${present}', ${retiring}`);
    expect(rotated).toMatchObject({
      verifier: present,
      verifiers: [{ verifier: present, endsAtMs: null }, old],
    });
    expect(rotated).not.toHaveProperty('allowedNetworks');
    const networks = `allowed_networks = '{192.0.2.7,2001:db8::/32}'`;
    const restricted = await body(
      `verifier = repeat('-', 43), restricted_verifier = '${present}', ${networks}`,
    );
    expect(restricted).toMatchObject({
      verifier: noVerifier,
      verifiers: [{ verifier: present, endsAtMs: null }, old],
      allowedNetworks: ['192.0.2.7/32', '2001:db8::/32'],
    });
    await body(`retiring = '[]', allowed_networks = '{}'`);
    expect((await build('r1', agentKey('aki_1')))[0]).toMatchObject({ denies: true });
  });

  test.each([
    `allowed_networks = '{10.0.0.0/8}'`,
    `allowed_networks = '{10.0.0.0/8}', restricted_verifier = verifier`,
    `restricted_verifier = verifier`,
    `allowed_networks = '{10.0.0.1/8}', restricted_verifier = verifier, verifier = repeat('-', 43)`,
    'rate_limit = 5',
    'rate_limit = 0, rate_window_ms = 1000',
    'rate_window_ms = 1000',
  ])('the database refuses what is half a bound, or none: %s', async (change) => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    await expect(hub.sql.unsafe(`update agent_keys set ${change}`)).rejects.toThrow(/agent_keys_|cidr/);
  });

  test.each([
    ['an upstream that is no URL', `update clusters set upstream_url = 'nowhere'`, 'cluster/vci_1'],
    ['an upstream that is not http', `update clusters set upstream_url = 'ftp://x'`, 'cluster/vci_1'],
    ...['[]', '{}', '[null]', '"x"', '[{"url":"ftp://x","priority":0,"weight":1}]'].flatMap((json) => [
      [`upstreams that are ${json}`, `update clusters set upstreams = '${json}'`, 'cluster/vci_1'],
      [
        `overridden upstreams that are ${json}`,
        `update placements set overrides = '{"upstreams":${json}}'`,
        'cluster/vci_1',
      ],
    ]),
    ['settings that are no object', `update clusters set settings = '[1]'`, 'cluster/vci_1'],
    [
      'overrides that are no object',
      `update placements set overrides = '{"upstreamUrl":7}'`,
      'cluster/vci_1',
    ],
    ['a blank name', `update tenants set name = ''`, 'tenant/ten_1'],
    ['a verifier of another form', `update agent_keys set verifier = 'secret'`, 'agent-key/aki_1'],
    [
      'a permission that is null',
      `update agent_keys set permissions = array[null]::text[]`,
      'agent-key/aki_1',
    ],
    ...['{}', 'null', '"x"', '[null]', '[{"verifier":"v"}]'].map((json) => [
      `retiring secrets that are ${json}`,
      `update agent_keys set retiring = '${json}'`,
      'agent-key/aki_1',
    ]),
    ['an expiry no number can hold', `update agent_keys set expires_at = '294276-12-31'`, 'agent-key/aki_1'],
    [
      'settings beyond the limit',
      `update clusters set settings = jsonb_build_object('x', repeat('x', 70000))`,
      'cluster/vci_1',
    ],
  ])('%s: that one is invalid, and the others are built', async (_what, statement, culprit) => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    await hub.sql.unsafe(statement);
    const builds = [
      ...(await build('r1', tenant('ten_1'), cluster('vci_1'), agentKey('aki_1'))),
      ...(await wholeRange('r1', 10)),
    ];
    expect(builds).toHaveLength(6);
    for (const { ref, state } of builds) expect(state).toBe(refText(ref) === culprit ? 'invalid' : 'live');
  });

  test.each([
    ["overrides that are JSON's null", `update placements set overrides = 'null'`],
    [
      "overrides whose members are JSON's null",
      `update placements set overrides = '{"upstreamUrl":null,"settings":null}'`,
    ],
  ])('%s override nothing', async (_what, statement) => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.sql.unsafe(statement);
    expect(bodyOf((await build('r1', cluster('vci_1')))[0])).toMatchObject({
      upstreamUrl: 'https://up.example',
    });
  });

  test('[law 3] a row under an id that can be no key is invalid, and takes neither a batch nor a sweep with it', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.sql`insert into agent_keys (id, cluster_id, name, verifier) values ('Not A Key', 'vci_1', 'n', ${verifier})`;
    await hub.key('aki_1', 'vci_1');
    const builds = await build('r1', agentKey('Not A Key'), agentKey('aki_1'));
    expect(builds.map(({ state }) => state)).toEqual(['invalid', 'live']);
    expect((await wholeRange('r1', 1)).map(({ state }) => state)).toEqual([
      'live',
      'live',
      'invalid',
      'live',
    ]);
  });

  test.each(['"', '\\', '{a,b}', 'a b', '', 'null', "'; drop table heads; --", 'ä'])(
    'a key that is asked for as %j is unknown, and no trouble',
    async (key) => {
      expect((await build('r1', agentKey(key))).map(({ state }) => state)).toEqual(['unknown']);
    },
  );
});

describe('one snapshot', () => {
  test('[law 2] body and revision always belong together, however fast a writer writes', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1');
    await hub.key('aki_1', 'vci_1');
    let writing = true;
    const writer = async () => {
      const session = await hub.session().reserve();
      for (let n = 1; writing; n++) {
        await session`begin`;
        await session`update clusters set settings = ${session.json({ n })}`;
        await session`update tenants set name = ${`n${n}`}`;
        const heads = await session`select kind, revision from heads where kind in ('cluster', 'tenant')`;
        await session`commit`;
        for (const { kind, revision } of heads) committed.set(`${kind}@${revision}`, n);
      }
      session.release();
    };
    const committed = new Map<string, number>();
    const seen: { at: string; n: number }[] = [];
    const together: [number, number][] = [];
    const note = (build: Build | undefined): number => {
      const body = bodyOf(build);
      const n = Number(
        build!.ref.kind === 'tenant' ? String(body.name).slice(1) : (body.settings as { n: number }).n,
      );
      const { revision } = decodeVersion((build as { envelope: { version: string } }).envelope.version)!;
      seen.push({ at: `${build!.ref.kind}@${revision}`, n });
      return n;
    };
    const written = writer();
    await expect.poll(() => committed.size).toBeGreaterThan(4);
    for (let round = 0; round < 150; round++) {
      const [c, t] = await build('r1', cluster('vci_1'), tenant('ten_1'));
      together.push([note(c), note(t)]);
      const [ranged] = await draftRange(hub.db, 'r1', 'cluster', { after: '', limit: 10 }, systemClock);
      note(ranged?.build());
    }
    writing = false;
    await written;
    expect(new Set(seen.map(({ n }) => n)).size, 'the writer was at work all along').toBeGreaterThan(20);
    for (const { at, n } of seen) expect(committed.get(at), at).toBe(n);
    for (const [c, t] of together) expect(c, 'kinds of one build are of one snapshot').toBe(t);
  });
});

describe('holders', () => {
  test('[law 1] are the regions of now and those of the last day, by kind', async () => {
    await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
    await hub.cluster('vci_2', 'ten_1', 'r3');
    await hub.key('aki_1', 'vci_1');
    await hub.unplace('vci_1', 'r2');
    const refs = [
      tenant('ten_1'),
      cluster('vci_1'),
      agentKey('aki_1'),
      agentKey('aki_none'),
      cluster('vci_none'),
    ];
    const lately = Object.fromEntries(await holdersOf(hub.db, refs));
    expect(lately).toEqual({
      'tenant/ten_1': ['r1', 'r2', 'r3'],
      'cluster/vci_1': ['r1', 'r2'],
      'agent-key/aki_1': ['r1', 'r2'],
      'cluster/vci_none': [],
    });
    await hub.sql`update holdings set until = now() - interval '25 hours' where region = 'r2'`;
    expect((await holdersOf(hub.db, refs)).get('cluster/vci_1')).toEqual(['r1']);
  });
});
