import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordLags, trimLags } from '../../hub/db/region-lags.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';
import { goodPassword, Visitor } from './support/visitor.ts';

/** Routes that the console asked for, and anybody may use. */
let hub: TestHub;
let sql: postgres.Sql;
let north: string;
beforeAll(async () => {
  hub = await startHub();
  sql = postgres(hub.databaseUrl, { max: 1, onnotice: () => {} });
  north = await make.region(hub.owner, 'north');
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

test('a search finds names by their beginning in any case, and the id, and takes its signs as they are', async () => {
  const tenant = await make.tenant(hub.owner, 'Search');
  const id = await make.cluster(hub.owner, tenant, [north], { name: 'Orders 100%' });
  await make.cluster(hub.owner, tenant, [north], { name: 'reorders' });
  const key = await make.agentKey(hub.owner, id, { name: 'Élan_1' });
  const found = async (path: string, search: string) => {
    const { body } = await hub.owner.get(`${path}?search=${encodeURIComponent(search)}`);
    return body.items.map((one: { name: string }) => one.name);
  };
  expect(await found('/v1/clusters', 'ORD')).toEqual(['Orders 100%']);
  expect(await found('/v1/clusters', 'orders 100%')).toEqual(['Orders 100%']);
  expect(await found('/v1/clusters', id)).toEqual(['Orders 100%']);
  expect(await found('/v1/clusters', '%')).toEqual([]);
  expect(await found('/v1/clusters', '_rders')).toEqual([]);
  expect(await found('/v1/clusters', '\\')).toEqual([]);
  expect(await found('/v1/tenants', 'sea')).toEqual(['Search']);
  expect(await found('/v1/agent-keys', 'élan_')).toEqual(['Élan_1']);
  expect(await found('/v1/agent-keys', key.id)).toEqual(['Élan_1']);
  expect((await hub.owner.get('/v1/clusters?search=')).status).toBe(400);
});

test('what a search finds comes in the order of names, page by page, each name once and none left out', async () => {
  const tenant = await make.tenant(hub.owner, 'Pages of a search');
  const names = ['Pages b', 'pages a', 'PAGES C', 'pages é', 'pages a', 'pages d'];
  const clusterId = await make.cluster(hub.owner, tenant, [north], { name: 'pages of keys' });
  for (const name of names) await make.agentKey(hub.owner, clusterId, { name });
  const found: string[] = [];
  let cursor = '';
  do {
    const { body } = await hub.owner.get(`/v1/agent-keys?search=Pages&limit=2${cursor}`);
    found.push(...body.items.map((one: { name: string }) => one.name));
    cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
  } while (cursor !== '');
  expect(found).toEqual(['pages a', 'pages a', 'Pages b', 'PAGES C', 'pages d', 'pages é']);
  const byId = (await hub.owner.get('/v1/agent-keys?limit=1')).body.nextCursor;
  const { status } = await hub.owner.get(`/v1/agent-keys?search=pages&cursor=${byId}`);
  expect(status, 'a cursor of the other order').toBe(400);
});

test('fences are listed latest first, a page at a time, and to a tenant only its own', async () => {
  const tenant = await make.tenant(hub.owner);
  const { secret } = await make.applicationKey(hub.owner, { role: 'admin', tenantId: tenant });
  const own = hub.as(secret);
  const id = await make.cluster(own, tenant, [north]);
  const fences: string[] = [];
  for (const status of ['disabled', 'active']) {
    const changed = await own.patch(`/v1/clusters/${id}`, { status });
    fences.unshift(changed.headers.get('spokecast-fence')!);
  }
  await make.cluster(hub.owner, tenant, [north]);
  const first = await own.get('/v1/fences?limit=2');
  expect(first.body.items.map((one: { id: string }) => one.id)).toEqual(fences);
  expect(first.body.items[0]).toMatchObject({
    complete: false,
    regions: [{ region: north, state: 'pending' }],
  });
  const second = await own.get(`/v1/fences?cursor=${first.body.nextCursor}`);
  expect(second.body.items).toHaveLength(1); // the creation by its own key, and not the one by the owner's
  expect((await hub.owner.get('/v1/fences?limit=1')).body.items[0].id).not.toBe(fences[0]);
});

test('of a minute the longest lag stays, also beside a sample in which nothing arrived; a day is kept', async () => {
  const { db } = hub.hub.services.database;
  // Two samples may fall into two minutes: then the later one has but its own.
  await sql`insert into region_lags values (${north}, now() - interval '25 hours', 1, 'open'),
    (${north}, now() - interval '23 hours', 2, 'open')`;
  await recordLags(db, [{ region: north, lagMs: 40, state: 'open' }]);
  await recordLags(db, [
    { region: north, lagMs: 30.4, state: 'open' },
    { region: 'gone', lagMs: 5, state: 'open' },
  ]);
  await recordLags(db, [{ region: north, lagMs: null, state: 'behind' }]);
  const { items } = (await hub.owner.get('/v1/lags?minutes=5')).body;
  expect(Math.max(...items.map(({ lagMs }: { lagMs: number | null }) => lagMs ?? 0))).toBe(40);
  expect(items.at(-1)).toMatchObject({ region: north, state: 'behind' });
  await trimLags(db);
  const [kept] =
    await sql`select count(*)::int as old from region_lags where minute < now() - interval '1 hour'`;
  expect(kept).toEqual({ old: 1 });
});

test('[law 8] a day of lags is told in coarser steps, of which each tells the worst that was in it', async () => {
  const day = await make.region(hub.owner, 'day');
  await sql`
    insert into region_lags (region, minute, lag_ms, state)
    select ${day}, date_trunc('minute', now()) - n * interval '1 minute',
      case when n = 700 then 9999 when n between 800 and 810 then null else 10 end,
      case when n = 900 then 'behind' else 'open' end
    from generate_series(0, 1438) n`;
  const lagsOf = async (minutes: number) => {
    const { items, stepMinutes } = (await hub.owner.get(`/v1/lags?minutes=${minutes}`)).body;
    return { stepMinutes, items: items.filter(({ region }: { region: string }) => region === day) };
  };
  const whole = await lagsOf(1440);
  expect(whole.stepMinutes).toBe(12);
  expect(whole.items.length).toBeGreaterThanOrEqual(120);
  expect(whole.items.length).toBeLessThanOrEqual(121);
  expect(whole.items.filter(({ lagMs }: { lagMs: number }) => lagMs === 9999)).toHaveLength(1);
  expect(whole.items.filter(({ state }: { state: string }) => state === 'behind')).toHaveLength(1);
  const begins = whole.items.map(({ minute }: { minute: string }) => Date.parse(minute) / 60_000);
  expect(begins.every((minute: number) => minute % 12 === 0)).toBe(true);
  const recent = await lagsOf(120);
  expect(recent.stepMinutes).toBe(1);
  expect(recent.items.length).toBeGreaterThanOrEqual(119);
});

test('figures tell what a region holds, who serves it, and what its last sweep found', async () => {
  await make.region(hub.owner, 'west');
  const counts = { scanned: 10, missing: 2, orphan: 1 };
  await sql`insert into sweeps (id, region, cause, status, counts, finished_at) values
    ('swp_01k9c0v8w1e4qafk3s7m2t6xhz', 'west', 'scheduled', 'completed', ${sql.json(counts)}, now())`;
  await sql`insert into region_contents (region, kind, contexts) values ('west', 'cluster', 3), ('west', 'tenant', 2)`;
  const now = new Date();
  const report = { region: 'west', started_at: now, reported_at: now, cached_contexts: 0 };
  await sql`insert into gateways ${sql([
    {
      ...report,
      id: 'gw_1',
      build: '1',
      observed_at: now,
      lifetime_ms: 60_000,
      watermark: 7,
      degraded: true,
    },
    {
      ...report,
      id: 'gw_2',
      build: '2',
      observed_at: now,
      lifetime_ms: 60_000,
      watermark: 9,
      degraded: false,
    },
    {
      ...report,
      id: 'gw_0',
      build: '2',
      observed_at: now,
      lifetime_ms: 60_000,
      watermark: 0,
      degraded: true,
    },
    {
      ...report,
      id: 'gw_3',
      build: '0',
      observed_at: new Date(0),
      lifetime_ms: 1,
      watermark: 1,
      degraded: false,
    },
  ])}`;
  const { items } = (await hub.owner.get('/v1/region-figures')).body;
  expect(items.find((one: { region: string }) => one.region === 'west')).toEqual({
    region: 'west',
    contexts: 5,
    gateways: { live: 3, unknown: 1, degraded: 2, builds: ['1', '2'], watermarkLeast: 7, watermarkMost: 9 },
    sweep: { id: 'swp_01k9c0v8w1e4qafk3s7m2t6xhz', finishedAt: expect.any(String), drift: 3 },
    lag: null,
  });
  expect(items.find((one: { region: string }) => one.region === north)).toMatchObject({
    contexts: null,
    sweep: null,
  });
});

/** The forms of a page that change something: where each is sent, and its hidden fields. */
function formsOf(page: string): { action: string; hidden: Record<string, string> }[] {
  return [...page.matchAll(/<form method="post" action="([^"]+)".*?<\/form>/gs)].map(([form, action]) => ({
    action: action!,
    hidden: Object.fromEntries(
      [...form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, ...pair]) => pair),
    ),
  }));
}

async function owner(): Promise<Visitor> {
  const { link } = await make.user(hub.owner, [{ role: 'owner' }]);
  const browser = new Visitor(hub.url);
  await browser.follow(link, { name: 'Ann', password: goodPassword });
  return browser;
}

test('every form carries what makes two sendings of it one change', async () => {
  const browser = await owner();
  const tenant = await make.tenant(hub.owner, 'Forms');
  const cluster = await make.cluster(hub.owner, tenant, [north]);
  const key = await make.agentKey(hub.owner, cluster);
  const user = await make.user(hub.owner, [{ role: 'viewer' }]);
  const program = await make.applicationKey(hub.owner, { role: 'viewer' });
  const gone = await make.tenant(hub.owner, 'Deleted');
  await hub.owner.delete(`/v1/tenants/${gone}`);
  const lists = ['clusters', 'agent-keys', 'tenants', 'users', 'application-keys', 'regions'];
  const things = {
    clusters: cluster,
    'agent-keys': key.id,
    tenants: tenant,
    users: user.id,
    'application-keys': program.id,
    regions: north,
  };
  const pages = [
    ...lists.flatMap((list) => [`/${list}`, `/${list}/new`]),
    ...Object.entries(things).flatMap(([list, id]) =>
      ['', '/edit', '/delete', '/revoke', '/remove', '/plan', '/residency'].map(
        (verb) => `/${list}/${id}${verb}`,
      ),
    ),
    ...['/', '/account', '/agent-keys/import', '/deletions', `/contexts/cluster/${cluster}`],
  ];
  // These say what is to be, not what is to be done: the second sending finds it so. Signing in has its own proofs.
  const setting =
    /^\/(account\/(scope|profile|password|keys\/revoke|sessions.*)|theme|log(in|out).*|regions\/.*freeze|regions\/freeze)$/;
  const seen = new Set<string>();
  const unsafe = new Set<string>();
  for (const path of pages) {
    const { status, text } = await browser.open(path);
    if (status === 404) continue;
    for (const { action, hidden } of formsOf(text)) {
      seen.add(action.replaceAll(/\w{3}_\w{26}/g, '{id}'));
      if (!setting.test(action) && !hidden.ifMatch && !hidden.idempotencyKey)
        unsafe.add(`${path}: ${action}`);
    }
  }
  expect([...unsafe]).toEqual([]);
  for (const action of [
    '/regions/north/sweep',
    '/tenants/{id}/undelete',
    '/account/keys',
    '/regions/north/remove',
  ])
    expect([...seen]).toContain(action);
});

test('a form that is sent twice does a thing once, and both are told so', async () => {
  const browser = await owner();
  const gone = await make.tenant(hub.owner, 'Comes back');
  await hub.owner.delete(`/v1/tenants/${gone}`);
  const twice = async (page: string, action: string) => {
    const form = formsOf((await browser.open(page)).text).find((one) => one.action === action)!;
    const answers = await Promise.all([1, 2].map(() => browser.submit(action, form.hidden)));
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
    expect(answers[0]!.location).toBe(answers[1]!.location);
  };
  const sweeps = async () => (await hub.owner.get(`/v1/sweeps?region=${north}`)).body.items.length;
  const before = await sweeps();
  await twice(`/regions/${north}`, `/regions/${north}/sweep`);
  expect(await sweeps()).toBe(before + 1);
  await twice('/deletions', `/tenants/${gone}/undelete`);
});

test('a page says whose list it is and what was deleted with what; an address where nothing is has a page too', async () => {
  const { link } = await make.user(hub.owner, [{ role: 'owner' }]);
  const browser = new Visitor(hub.url);
  await browser.follow(link, { name: 'Eyes', password: goodPassword });
  const tenant = await make.tenant(hub.owner, 'Lone tenant');
  const clusters = [
    await make.cluster(hub.owner, tenant, [north]),
    await make.cluster(hub.owner, tenant, [north]),
  ];
  await make.agentKey(hub.owner, clusters[0]!);
  for (const path of ['/clusters', '/agent-keys', '/audit-log', '/deletions']) {
    expect((await browser.open(`${path}?tenantId=${tenant}`)).text).toContain(
      `<a href="/tenants/${tenant}">Lone tenant</a> alone. <a href="${path}">`,
    );
    expect((await browser.open(path)).text).not.toContain('</a> alone.');
  }

  await hub.owner.delete(`/v1/clusters/${clusters[0]}`);
  await hub.owner.delete(`/v1/tenants/${tenant}?cascade=true`);
  const { text } = await browser.open('/deletions');
  expect(text).toContain('1 agent key<');
  expect(text).toContain('1 cluster, no agent keys<');
  expect(text).toContain('Lone tenant (deleted too)');

  const accept = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const lost = await browser.send('GET', '/nothing', undefined, accept);
  expect([lost.status, lost.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
  expect(lost.text).toContain('To the overview');
  for (const [path, headers] of [
    ['/nothing', {}],
    ['/v1/nothing', accept],
  ] as const) {
    const told = await browser.send('GET', path, undefined, headers);
    expect([told.status, told.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
  }
  const since = '2020-01-01T00:00';
  expect((await browser.open(`/audit-log?since=${since}`)).text).toContain(`value="${since}:00"`);
});
