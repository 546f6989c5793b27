import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newId } from '../../contexts/ids.ts';
import * as make from '../hub/support/things.ts';
import { describeWith } from '../support/requirements.ts';
import { ConsoleInBrowser } from './support/console.ts';

const attack = `"'><img src=x onerror="window.attacked=1"><script>window.attacked=1</script>`;

/** For who wants to look: `CONSOLE_SCREENSHOTS=<directory>` keeps a picture of every page in it. */
const shots = process.env.CONSOLE_SCREENSHOTS;
async function shoot(page: Page, name: string): Promise<void> {
  if (!shots) return;
  await page.screenshot({ path: `${shots}/${name.replaceAll(/[^a-z0-9]+/g, '-')}.png`, fullPage: true });
}

interface Membership {
  tenantId: string | null;
  role: string;
}

describeWith('chromium', 'the console', () => {
  let console: ConsoleInBrowser;
  let ada: BrowserContext;
  let tenantId: string;
  beforeAll(async () => {
    console = await ConsoleInBrowser.start();
    ada = await console.person('Ada');
    tenantId = await make.tenant(console.hub.owner, 'Acme');
  });
  afterAll(() => console?.[Symbol.asyncDispose]());

  const cluster = (name: string) =>
    make.cluster(console.hub.owner, tenantId, ['eu-west-1', 'us-east-1'], { name });
  const seen = async (place: Locator) => {
    await place.waitFor();
    return (await place.allInnerTexts()).join('\n');
  };
  const heading = (page: Page) => seen(page.locator('h1'));
  const everywhere = (page: Page) => page.locator('.propagation .arrived').first().waitFor();

  test('from a tenant to a key that agents use, each change seen on its way', async () => {
    const page = await console.open(ada, '/tenants/new');
    await page.fill('#name', 'Initech');
    await page.click('text=Create tenant');
    await page.click('text=New cluster');

    await page.fill('#name', 'orders');
    await page.fill('#upstreamUrl', 'http://127.0.0.1:9/');
    await page.click('text=Create cluster');
    expect(await seen(page.locator('#placements-mistake'))).toContain('at least one region');
    await page.check('[id="region.eu-west-1"]');
    await page.click('text=Other values in eu-west-1');
    await page.fill('[id="settings.eu-west-1"]', '{"tier": ');
    await page.click('text=Create cluster');
    expect(await seen(page.locator('[id="settings.eu-west-1-mistake"]'))).toContain('is not JSON');
    await page.fill('[id="settings.eu-west-1"]', '{"tier": "gold"}');
    await page.click('text=Create cluster');
    expect(await heading(page)).toBe('orders');
    await everywhere(page);
    expect(await seen(page.locator('pre'))).toContain('gold');
    const address = page.url().split('?')[0]!;

    await page.click('text=New agent key');
    await page.fill('#name', 'agent 7');
    await page.click('text=Create agent key');
    const secret = await seen(page.locator('#secret'));
    await ada.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.click('button[data-copy]');
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(secret);
    await everywhere(page);
    await console.wheel.becomes('eu-west-1', secret, 200);

    await page.click('text=To the key');
    expect(await page.content()).not.toContain(secret);
    await page.click('text=Rotate the secret');
    const rotated = await seen(page.locator('#secret'));
    await everywhere(page);
    await console.wheel.becomes('eu-west-1', rotated, 200);
    await page.click('text=To the key');
    await page.click('button:text-is("Disable")');
    await everywhere(page);
    await console.wheel.becomes('eu-west-1', rotated, 403);

    await page.goto(address);
    await page.click('text=Change or move');
    await page.check('[id="region.us-east-1"]');
    await page.uncheck('[id="region.eu-west-1"]');
    await page.click('button:text-is("Save")');
    await everywhere(page);
    expect(await seen(page.locator('table'))).not.toContain('eu-west-1');
    await console.wheel.becomes('us-east-1', rotated, 403);

    await page.click('text=Agent keys of this cluster');
    await page.click('text=agent 7');
    await page.click('text=Revoke …');
    await page.fill('#typed', 'agent 7');
    await page.click('text=Revoke agent key');
    await everywhere(page);
    await console.wheel.becomes('us-east-1', rotated, 401);

    await page.click('text=Delete …');
    await page.fill('#typed', 'order');
    await page.click('text=Delete cluster');
    expect(await seen(page.locator('#typed-mistake'))).toContain('nothing was deleted');
    await page.fill('#typed', 'orders');
    await page.click('text=Delete cluster');
    expect(await seen(page.locator('.notice').first())).toBe('Deleted.');
    await everywhere(page);
    expect(await (await page.goto(address))!.status()).toBe(404);
    await page.close();
  });

  test('what is refused stands beside its field, and a form sent twice does one thing', async () => {
    await cluster('taken');
    const page = await console.open(ada, `/clusters/new?tenantId=${tenantId}`);
    await page.fill('#name', 'taken');
    await page.fill('#upstreamUrl', 'ftp://nowhere');
    await page.check('[id="region.eu-west-1"]');
    await page.click('text=Create cluster');
    expect(await seen(page.locator('#upstreamUrl-mistake'))).toContain('http://');
    await page.fill('#upstreamUrl', 'http://up.example/');
    await page.click('text=Create cluster');
    expect(await seen(page.locator('#name-mistake'))).toContain('is called "taken"');
    expect(await page.inputValue('#upstreamUrl')).toBe('http://up.example/');

    await page.goto(`${console.hub.url}/tenants/new`);
    await page.fill('#name', 'Once');
    const [key] = await page.locator('[name=idempotencyKey]').all();
    const sent = { name: 'Once', idempotencyKey: await key!.inputValue() };
    const options = { form: sent, maxRedirects: 0, headers: { 'sec-fetch-site': 'same-origin' } };
    const answers = [1, 2].map(() => ada.request.post(`${console.hub.url}/tenants/new`, options));
    for (const answer of answers) expect((await answer).status()).toBe(303);
    expect((await console.hub.owner.get('/v1/tenants?name=Once')).body.items).toHaveLength(1);
    await page.close();
  });

  test('the second of two admins is told what the first changed, and loses nothing', async () => {
    const id = await cluster('shared');
    const bob = await console.person('Bob');
    const [first, second] = [
      await console.open(ada, `/clusters/${id}/edit`),
      await console.open(bob, `/clusters/${id}/edit`),
    ];
    await first.fill('#name', 'named by Ada');
    await first.uncheck('[id="region.us-east-1"]');
    await second.fill('#name', 'named by Bob');
    await second.fill('#upstreamUrl', 'http://bob.example/');
    await first.click('button:text-is("Save")');
    await everywhere(first);

    await second.click('button:text-is("Save")');
    const told = await seen(second.locator('#changed-meanwhile'));
    expect(told).toContain('Ada changed this cluster');
    expect(told).toMatch(/Name: was shared, is now named by Ada; yours.*named by Bob/);
    expect(told).toContain('Placed in us-east-1: was on, is now empty');
    expect(await second.inputValue('#name')).toBe('named by Bob');
    expect(await second.inputValue('#upstreamUrl')).toBe('http://bob.example/');
    expect(await second.isChecked('[id="region.us-east-1"]')).toBe(false);
    expect((await console.hub.owner.get(`/v1/clusters/${id}`)).body.name).toBe('named by Ada');

    await second.click('button:text-is("Save")');
    await everywhere(second);
    expect((await console.hub.owner.get(`/v1/clusters/${id}`)).body).toMatchObject({
      name: 'named by Bob',
      upstreamUrl: 'http://bob.example/',
      placements: [{ region: 'eu-west-1' }],
    });
    await bob.close();
    await first.close();
  });

  test('so it is on every form that changes something', async () => {
    const { owner } = console.hub;
    const id = await cluster('of many forms');
    const key = await make.agentKey(owner, id, { name: 'shared key', permissions: ['read'] });
    const tenant = await make.tenant(owner, 'Shared Ltd');
    const program = await make.applicationKey(owner, { role: 'viewer' });
    const { id: person } = await make.user(owner, [{ role: 'viewer', tenantId: tenant }]);
    const page = await ada.newPage();
    /** The form is opened, `theirs` is sent by somebody else, `mine` is typed and saved twice: what is there then? */
    const both = async (path: string, theirs: object, mine: Record<string, string>, told: RegExp) => {
      await page.goto(`${console.hub.url}${path}/edit`);
      const changed = await owner.patch(`/v1${path}`, theirs);
      expect([path, changed.status]).toEqual([path, 200]);
      for (const [field, text] of Object.entries(mine)) {
        const place = page.locator(`[id="${field}"]`);
        if (text === 'tick') await place.check();
        else if ((await page.locator(`select[id="${field}"]`).count()) > 0) await place.selectOption(text);
        else await place.fill(text);
      }
      await page.click('button:text-is("Save")');
      expect(await seen(page.locator('#changed-meanwhile'))).toMatch(told);
      await page.click('button:text-is("Save")');
      await page.locator('.notice.good').first().waitFor();
      return (await owner.get(`/v1${path}`)).body;
    };
    expect(
      await both(
        `/agent-keys/${key.id}`,
        { permissions: ['read', 'write'], expiresAt: '2099-01-01T10:00:30Z' },
        { name: 'renamed', networks: '10.0.0.0/8', limit: '5', windowSeconds: '60' },
        /changed this agent key.*Permissions: was read, is now read write/s,
      ),
    ).toMatchObject({
      name: 'renamed',
      permissions: ['read', 'write'],
      expiresAt: '2099-01-01T10:00:30.000Z',
      allowedNetworks: ['10.0.0.0/8'],
      rateLimit: { limit: 5, windowMs: 60_000 },
    });
    expect(
      await both(
        `/tenants/${tenant}`,
        { name: 'Shared Inc', quotas: { clusters: 7 } },
        { agentKeys: '9', 'region.eu-west-1': 'tick' },
        /changed this tenant.*Most clusters: was empty, is now 7/s,
      ),
    ).toMatchObject({
      name: 'Shared Inc',
      quotas: { clusters: 7, agentKeys: 9, regions: null },
      allowedRegions: ['eu-west-1'],
    });
    expect(
      await both(
        `/application-keys/${program.id}`,
        { name: 'by them' },
        { role: 'admin' },
        /changed this application key.*Name: was .*, is now by them/s,
      ),
    ).toMatchObject({ name: 'by them', role: 'admin' });
    const other = await make.tenant(owner, 'Second Ltd');
    const { memberships } = await both(
      `/users/${person}`,
      {
        memberships: [
          { tenantId: tenant, role: 'viewer' },
          { tenantId: tenantId, role: 'viewer' },
        ],
      },
      { [`role.${tenant}`]: 'admin', newTenant: 'Second Ltd', newRole: 'owner' },
      /changed this person/,
    );
    expect(new Map(memberships.map((one: Membership) => [one.tenantId, one.role]))).toEqual(
      new Map([
        [tenant, 'admin'],
        [tenantId, 'viewer'],
        [other, 'owner'],
      ]),
    );

    await page.goto(`${console.hub.url}/tenants/${tenant}/edit`);
    await page.fill('[id="clusters"]', '-1');
    await page.click('button:text-is("Save")');
    expect(await seen(page.locator('#clusters-mistake'))).toContain('must not be negative');
    await page.fill('[id="clusters"]', '7');
    await page.click('button:text-is("Save")');
    expect(await seen(page.locator('.notice').first())).toContain('Nothing was different');
    await page.close();
  });

  test('an application key is made, its secret seen once, and revoked', async () => {
    const page = await console.open(ada, '/application-keys/new');
    await page.fill('#name', 'terraform');
    await page.selectOption('#role', 'admin');
    await page.click('text=Create application key');
    const secret = await seen(page.locator('#secret'));
    const program = console.hub.as(secret);
    expect((await program.get('/v1/whoami')).body).toMatchObject({ role: 'admin' });
    await page.click('text=To the key');
    expect(await page.content()).not.toContain(secret);
    await page.click('text=Revoke …');
    await page.fill('#typed', 'terraform');
    await page.click('text=Revoke application key');
    expect(await seen(page.locator('.notice').first())).toBe('Deleted.');
    expect((await program.get('/v1/whoami')).status).toBe(401);
    await page.close();
  });

  test('what was deleted comes back, an imported key is let in, and its last use is told', async () => {
    const { owner, url } = console.hub;
    const id = await cluster('thrown away');
    await owner.delete(`/v1/clusters/${id}`);
    const page = await console.open(ada, '/deletions');
    await page.click('[aria-label="Bring back thrown away"]');
    expect(await heading(page)).toBe('thrown away');
    await everywhere(page);

    const secret = 'made-elsewhere-0123456789abcdef';
    await page.goto(`${url}/agent-keys/import?clusterId=${id}`);
    await page.fill('#name', 'from elsewhere');
    await page.fill('#secretSha256', 'none');
    await page.click('text=Import agent key');
    expect(await seen(page.locator('#secretSha256-mistake'))).toContain('must be a SHA-256');
    await page.fill('#secretSha256', hash('sha256', secret));
    await page.click('text=Import agent key');
    await everywhere(page);
    expect(await seen(page.locator('.notice').first())).toContain('Imported');
    await console.wheel.becomes('eu-west-1', secret, 200);
    const used = page.locator('tr', { hasText: 'eu-west-1' }).locator('.state', { hasText: 'used' });
    await expect
      .poll(
        async () => {
          await page.reload();
          return used.count();
        },
        { timeout: 60_000, interval: 300 },
      )
      .toBe(1);
    expect(await seen(page.locator('tr', { hasText: 'us-east-1' }))).toContain('never');

    await page.click('text=What was done to it, by whom');
    expect(await seen(page.locator('table'))).toContain('agent-key.import');
    await page.goto(`${url}/tenants/${tenantId}/residency`);
    expect(await seen(page.locator('.notice').first())).toContain('only where it may be');
    await page.close();
  });

  test('who belongs to several things switches between them on any page', async () => {
    const { owner } = console.hub;
    const second = await make.tenant(owner, 'Globex');
    const theirs = await make.cluster(owner, second, ['eu-west-1'], { name: 'of Globex' });
    const fay = await console.person('Fay', {
      memberships: [
        { role: 'viewer', tenantId },
        { role: 'viewer', tenantId: second },
      ],
    });
    const page = await console.open(fay, '/clusters');
    for (const [name, other] of [
      ['Acme', 'Globex'],
      ['Globex', 'Acme'],
    ]) {
      await page.selectOption('#act-in', { label: name! });
      await page.click('button:text-is("Switch")');
      expect(new URL(page.url()).pathname).toBe('/clusters');
      const shown = await page.goto(`${console.hub.url}/clusters/${theirs}`);
      expect([name, other, shown!.status()]).toEqual([name, other, name === 'Globex' ? 200 : 404]);
    }
    await fay.close();
  });

  test('who is signed out while typing is told, and finds the text again after signing in', async () => {
    const email = 'carol@example.com';
    const invited = await console.hub.owner.post('/v1/users', { email, memberships: [{ role: 'owner' }] });
    const carol = await console.stranger();
    const page = await carol.newPage();
    await page.goto(invited.body.secret);
    if ((await page.locator('[name=name]').count()) > 0) await page.fill('[name=name]', 'Carol');
    await page.fill('[type=password]', 'a long enough passphrase');
    await page.click('main button');
    await page.goto(`${console.hub.url}/clusters/new`);
    await page.fill('#tenantId', 'Acme');
    await page.fill('#name', 'typed for a long time');
    await page.check('[id="region.us-east-1"]');
    await page.click('text=Other values in us-east-1');
    await page.fill('[id="settings.us-east-1"]', '{"a": 1}');
    await page.fill('#upstreamUrl', 'http://up.example/');
    await console.wheel
      .sql`delete from sessions s using users u where u.id = s.user_id and u.email = ${email}`;
    await page.click('text=Create cluster');
    expect(await heading(page)).toBe('Your session has ended');

    await page.click('text=Sign in and go back');
    await page.fill('[name=email]', email);
    await page.fill('[name=password]', 'a long enough passphrase');
    await page.click('main button');
    await page.locator('text=What you typed before').waitFor();
    expect(await page.inputValue('#name')).toBe('typed for a long time');
    expect(await page.isChecked('[id="region.us-east-1"]')).toBe(true);
    await page.click('text=Create cluster');
    expect(await heading(page)).toBe('typed for a long time');
    await everywhere(page);

    // A session that was left open gives nothing away that outlasts it: who sits there shows the password.
    await console.wheel.sql`
      update sessions s set created_at = now() - interval '1 hour'
      from users u where u.id = s.user_id and u.email = ${email}`;
    await page.goto(`${console.hub.url}/application-keys/new`);
    await page.fill('#name', 'for the pipeline');
    await page.click('text=Create application key');
    await page.locator('h1:text-is("Confirm that it is you")').waitFor();
    await shoot(page, 'confirm');
    await page.fill('#present', 'not it');
    await page.click('text=Go on');
    await page.locator('text=The present password is wrong').waitFor();
    await page.fill('#present', 'a long enough passphrase');
    await page.click('text=Go on');
    await page.locator('h1', { hasText: 'for the pipeline' }).waitFor();

    // What a page looks at by itself says so too.
    await page.goto(`${console.hub.url}/`);
    await console.wheel
      .sql`delete from sessions s using users u where u.id = s.user_id and u.email = ${email}`;
    await page.locator('text=Your session has ended, so nothing is brought up to date').first().waitFor();
    await carol.close();
  });

  test('a region that dies while one looks is seen to, and so is what does not reach it', async () => {
    const id = await cluster('half way');
    const page = await console.open(ada, '/');
    const lineOf = (region: string) => page.locator('#regions-live tr', { hasText: region });
    await lineOf('eu-west-1').locator('text=open').waitFor();
    const outage = console.wheel.spoke('eu-west-1').proxy.drop();
    const change = await console.open(ada, `/clusters/${id}`);
    try {
      await lineOf('eu-west-1').locator('text=behind').waitFor();
      expect(await seen(lineOf('us-east-1'))).toContain('open');
      await change.click('button:text-is("Disable")');
      await change.locator('text=Seen in 1 of 2 regions').waitFor();
      const waiting = change.locator('.waterfall li', { hasText: 'eu-west-1' });
      await waiting.locator('.why').waitFor();
    } finally {
      outage.end();
    }
    await everywhere(change);
    await lineOf('eu-west-1').locator('text=open').waitFor();
    for (const each of [page, change]) await each.close();
  });

  test('a region is added, and filled while one looks', async () => {
    const spoke = await console.wheel.addSpoke('ap-southeast-1');
    const page = await console.open(ada, '/regions/new');
    await page.fill('#id', 'Nowhere!');
    await page.fill('#table', spoke.table);
    await page.fill('#endpoint', spoke.proxy.url);
    await page.click('button:text-is("Add region")');
    expect(await seen(page.locator('#id-mistake'))).toContain('characters of a-z');
    await page.fill('#id', 'ap-southeast-1');
    await page.click('button:text-is("Add region")');
    expect(await heading(page)).toBe('ap-southeast-1');
    await page.locator('.facts .state', { hasText: 'active' }).waitFor();
    await page.locator('td', { hasText: 'seeding' }).first().waitFor();
    await page.click('button:text-is("Drain")');
    await page.click('button:text-is("Disable")');
    await page.click('text=Remove …');
    await page.fill('#typed', 'ap-southeast-1');
    await page.click('text=Remove region');
    expect(await seen(page.locator('.notice').first())).toBe('Deleted.');
    await page.close();
  });

  test('losses that are held are looked at, and let through by a person', async () => {
    const { sql } = console.wheel;
    const id = newId('sweep', systemClock, systemRandom);
    const key = newId('agentKey', systemClock, systemRandom);
    const plan = hash('sha256', `agent-key ${key} - none`);
    await sql`insert into holds (region, kind, key, reason, detail, replaced)
      values ('us-east-1', 'agent-key', ${key}, 'budget', 'too many at once', 'none')`;
    await sql`insert into sweeps (id, region, cause, status, plan, finished_at)
      values (${id}, 'us-east-1', 'scheduled', 'completed', ${plan}, now())`;
    const page = await console.open(ada, '/');
    await page.click('text=Look at them and decide');
    expect(await seen(page.locator('table'))).toContain(key);
    await page.click('text=It was meant');
    expect(await seen(page.locator('.notice').first())).toContain('Approved');
    const { items } = (await console.hub.owner.get('/v1/audit-log?action=sweep.approve')).body;
    expect(items[0]).toMatchObject({ resourceId: id, actor: { name: 'Ada' }, after: { contexts: 1 } });
    await page.close();
  });

  test('names that are attacks are only ever shown', async () => {
    const { owner } = console.hub;
    const tenant = await make.tenant(owner, attack);
    const id = await make.cluster(owner, tenant, ['eu-west-1'], {
      name: attack,
      settings: { [attack]: attack },
    });
    const key = await make.agentKey(owner, id, { name: attack });
    const eve = await console.person(attack);
    const eveId = (await owner.get('/v1/users')).body.items.find(
      (one: { name: string }) => one.name === attack,
    ).id;
    await owner.send('PUT', '/v1/freeze', { body: { reason: attack } });
    const page = await eve.newPage();
    const search = encodeURIComponent(attack);
    for (const path of [
      ...[
        '/',
        '/clusters',
        `/clusters?search=${search}&region=eu-west-1`,
        `/clusters/${id}`,
        `/clusters/${id}/edit`,
      ],
      ...[`/clusters/${id}/delete`, '/agent-keys', `/agent-keys/${key.id}`, `/agent-keys/${key.id}/revoke`],
      ...[
        '/tenants',
        `/tenants?search=${search}`,
        `/tenants/${tenant}`,
        '/regions',
        '/regions/eu-west-1',
        '/users',
      ],
      ...[
        `/users/${eveId}`,
        '/audit-log',
        `/audit-log?actorId=${search}`,
        '/activity',
        `/contexts/cluster/${id}`,
      ],
      ...[
        `/users/${eveId}/edit`,
        `/agent-keys/${key.id}/edit`,
        `/tenants/${tenant}/edit`,
        `/tenants/${tenant}/residency`,
      ],
      ...[`/contexts/cluster/${id}/history`, '/application-keys', '/deletions'],
      ...['/account', `/clusters/new?tenantId=${search}`, `/agent-keys/new?clusterId=${search}`],
    ]) {
      await page.goto(console.hub.url + path);
      expect([path, await page.evaluate('window.attacked')]).toEqual([path, undefined]);
      expect([path, await page.locator('img').count()]).toEqual([path, 0]);
      expect([path, await seen(page.locator('body'))]).toEqual([path, expect.stringContaining(`"'><img`)]); // the person's own name, at least
    }
    // What is typed and refused comes back as text as well.
    await page.goto(`${console.hub.url}/tenants/new`);
    await page.fill('#name', attack);
    await page.click('text=Create tenant');
    expect(await seen(page.locator('#name-mistake'))).toContain('is called');
    expect(await page.evaluate('window.attacked')).toBeUndefined();
    await owner.delete('/v1/freeze');
    await eve.close();
  });

  test("a tenant's people see their tenant, and no more", async () => {
    const other = await make.tenant(console.hub.owner, 'Umbrella');
    const theirs = await cluster('of Acme');
    const own = await make.cluster(console.hub.owner, other, ['eu-west-1'], { name: 'of Umbrella' });
    const dan = await console.person('Dan', { memberships: [{ role: 'admin', tenantId: other }] });
    const page = await console.open(dan, '/clusters');
    expect(await seen(page.locator('table'))).toContain('of Umbrella');
    expect(await seen(page.locator('table'))).not.toContain('of Acme');
    expect(await seen(page.locator('.side'))).not.toContain('Regions');
    for (const path of [`/clusters/${theirs}`, `/clusters/${theirs}/edit`, `/tenants/${tenantId}`])
      expect([path, (await page.goto(console.hub.url + path))?.status()]).toEqual([path, 404]);
    expect((await page.goto(`${console.hub.url}/quarantine`))?.status()).toBe(200);
    expect((await page.goto(`${console.hub.url}/regions/eu-west-1/plan`))?.status()).toBe(403);
    await page.goto(`${console.hub.url}/clusters/${own}`);
    await page.click('button:text-is("Disable")');
    await everywhere(page);
    await dan.close();
  });

  test('it works without a script', async () => {
    const plain = await console.person('Noscript', { javaScriptEnabled: false });
    const page = await console.open(plain, '/tenants/new');
    await page.fill('#name', 'Plain');
    await page.click('text=Create tenant');
    expect(await heading(page)).toBe('Plain');
    await page.click('button:text-is("Suspend")');
    expect(await seen(page.locator('.facts'))).toContain('suspended');
    await page.goto(`${console.hub.url}/tenants`);
    await page.fill('#search', 'pla');
    await page.click('button:text-is("Find")');
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.click('button:text-is("Dark")');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    await plain.close();
  });

  test('a form that another site sends does nothing', async () => {
    const options = { form: { name: 'Forged' }, headers: { 'sec-fetch-site': 'cross-site' } };
    const answer = await ada.request.post(`${console.hub.url}/tenants/new`, options);
    expect(answer.status()).toBe(403);
    expect((await console.hub.owner.get('/v1/tenants?name=Forged')).body.items).toEqual([]);
  });

  test('the audit log is exported whole, and no cell of it is a formula', async () => {
    for (let i = 0; i < 3; i++) await make.tenant(console.hub.owner, `=cmd|' /C calc'!A${i}`);
    const csv = await ada.request.get(`${console.hub.url}/audit-log/export?format=csv&action=tenant.create`);
    const lines = (await csv.text()).trim().split('\r\n');
    expect(lines[0]).toMatch(/^id,at,actorId/);
    expect(lines.length).toBeGreaterThan(4);
    expect((await csv.text()).match(/(^|,)"[=+@-]/gm)).toBeNull();
    const json = await ada.request.get(
      `${console.hub.url}/audit-log/export?format=ndjson&action=tenant.create`,
    );
    const entries = (await json.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries).toHaveLength(lines.length - 1);
    const wrong = await ada.request.get(`${console.hub.url}/audit-log/export?since=yesterday`);
    expect(wrong.status()).toBe(400);
  });

  test('every page is accessible in both themes, fits a phone, and needs nothing that the policy refuses', async () => {
    const { owner } = console.hub;
    const id = await cluster('looked at');
    const key = await make.agentKey(owner, id);
    const gone = await make.tenant(owner, 'Bygone');
    await owner.delete(`/v1/tenants/${gone}`);
    const program = await make.applicationKey(owner, { role: 'viewer' });
    const { items: people } = (await owner.get('/v1/users')).body;
    const measured = () => console.wheel.sql`select 1 from region_lags where lag_ms is not null`;
    await expect.poll(async () => (await measured()).length, { timeout: 60_000 }).toBeGreaterThan(0);
    await console.wheel.sql`insert into region_lags
      select region, date_trunc('minute', now()) - n * interval '1 minute', 20 + n % 7 * 10 + length(region), 'open'
      from generate_series(1, 50) n, unnest(array['eu-west-1', 'us-east-1']) region
      on conflict do nothing`;
    const { items } = (await owner.get('/v1/fences?limit=1')).body;
    const page = await ada.newPage();
    const stranger = await (await console.stranger()).newPage();
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    const faults: string[] = [];
    const look = async (page: Page, path: string) => {
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.goto(console.hub.url + path, { waitUntil: 'domcontentloaded' });
      const found = (await page.evaluate(`${axe};(${lookAtPage})()`)) as string[];
      faults.push(...found.map((fault) => `${path} ${fault}`));
      for (const theme of shots ? ['light', 'dark'] : []) {
        await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
        await shoot(page, `${path} ${theme}`);
      }
      await page.setViewportSize({ width: 360, height: 740 });
      const beyond = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      if ((await page.evaluate(beyond)) !== 0) faults.push(`${path} is wider than a phone`);
      await shoot(page, `${path} phone`);
    };
    const paths = [
      ...[
        '/',
        '/clusters',
        '/clusters/new',
        `/clusters/${id}`,
        `/clusters/${id}/edit`,
        `/clusters/${id}/delete`,
      ],
      ...['/agent-keys', '/agent-keys/new', '/agent-keys/import', `/agent-keys/${key.id}`],
      ...[`/agent-keys/${key.id}/edit`, `/agent-keys/${key.id}/revoke`, '/agent-keys?unusedDays=30'],
      ...['/tenants', '/tenants/new', `/tenants/${tenantId}`, `/tenants/${tenantId}/edit`],
      ...[`/tenants/${tenantId}/delete`, `/tenants/${tenantId}/residency`, '/deletions'],
      ...[
        '/regions',
        '/regions/new',
        '/regions/eu-west-1',
        '/regions/eu-west-1/plan',
        '/regions/eu-west-1/remove',
      ],
      ...['/seedings', '/quarantine', `/contexts/cluster/${id}`, `/contexts/cluster/${id}/history`],
      ...['/activity', `/activity/${items[0].id}`, '/audit-log'],
      ...['/application-keys', '/application-keys/new', `/application-keys/${program.id}`],
      ...[`/application-keys/${program.id}/edit`, `/application-keys/${program.id}/revoke`],
      ...['/application-keys?status=disabled', '/users', '/users/new', `/users/${people[0].id}`],
      ...[`/users/${people[0].id}/edit`, '/account', '/clusters/vci_00000000000000000000000000'],
    ];
    // Several tabs share the pages: while one waits for the hub, another is looked at.
    const waiting = [...paths];
    const tab = async (page: Page) => {
      for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) await look(page, path);
    };
    const other = await ada.newPage();
    await Promise.all([tab(page), tab(other), look(stranger, '/login')]);
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(`${console.hub.url}/`);
    await page.locator('.plot canvas').waitFor();
    expect(faults).toEqual([]);
    expect(console.complaints).toEqual([]);
    for (const each of [page, other]) await each.close();
  });
});

/**
 * In the page: what axe finds in it, in the light theme, and of the dark one the contrast: nothing else differs. Its
 * frames, of which there are none, are not asked, and only violations are told in full.
 */
const lookAtPage = `async () => {
  const found = [];
  for (const theme of ['light', 'dark']) {
    document.documentElement.dataset.theme = theme;
    const only = theme === 'light' ? {} : { runOnly: ['color-contrast'] };
    const { violations } = await axe.run({ resultTypes: ['violations'], iframes: false, ...only });
    for (const { id, nodes } of violations)
      found.push([theme, id, nodes[0]?.html, nodes[0]?.any[0]?.message].join(' '));
  }
  return found;
}`;
