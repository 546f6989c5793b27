import { hash } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VirtualClock } from '../support/virtual-clock.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';
import { goodPassword, Visitor } from './support/visitor.ts';

const clock = new VirtualClock();
let hub: TestHub;
let sql: postgres.Sql;
beforeAll(async () => {
  hub = await startHub({ clock });
  sql = postgres(hub.databaseUrl, { max: 2 });
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

async function person(memberships: { tenantId?: string | null; role: string }[]) {
  const { id, link } = await make.user(hub.owner, memberships);
  const browser = new Visitor(hub.url);
  await browser.follow(link, { name: 'Ann Example', password: goodPassword });
  return { id, browser };
}

/** A key as the page `/account` makes one. */
async function keyOf(browser: Visitor, role: string, days = '30') {
  const answer = await browser.submit('/account/keys', { name: 'mine', role, days, present: goodPassword });
  const secret = /spa_\w+/.exec(answer.text)?.[0];
  expect([answer.status, secret]).toEqual([200, expect.any(String)]);
  return hub.as(secret);
}

describe("a person's application key", () => {
  test('can do no more than the person, now and later', async () => {
    const { id, browser } = await person([{ role: 'admin' }]);
    const key = await keyOf(browser, 'admin');
    expect((await key.post('/v1/tenants', { name: 'by key' })).status).toBe(201);
    await hub.owner.patch(`/v1/users/${id}`, { memberships: [{ role: 'viewer' }] });
    expect((await key.post('/v1/tenants', { name: 'too much' })).status).toBe(403);
    expect((await key.get('/v1/tenants')).status).toBe(200);
    expect((await key.get('/v1/whoami')).body).toMatchObject({ role: 'viewer', scope: 'platform' });
    const me = { id, role: 'viewer', scope: 'platform', expiresAt: null };
    expect((await browser.api('GET', '/v1/whoami')).body).toMatchObject(me);
    expect((await browser.api('GET', '/v1/events')).status, 'no streams for browsers').toBe(403);
    // Asking for more than one has gives what one has.
    const raised = await keyOf(browser, 'owner');
    expect((await raised.post('/v1/tenants', { name: 'too much' })).status).toBe(403);
    const [listed] = (await hub.owner.get('/v1/application-keys?limit=200')).body.items.filter(
      ({ userId, role }: { userId: string; role: string }) => userId === id && role === 'viewer',
    );
    expect(listed).toMatchObject({ userId: id, createdBy: id, expiresAt: expect.any(String) });
  });

  test('is made once by a form that is sent twice, and shown once, where the form was opened', async () => {
    const tenantId = await make.tenant(hub.owner, 'Acts elsewhere');
    const { id, browser } = await person([{ role: 'viewer' }, { tenantId, role: 'viewer' }]);
    await browser.submit('/account/scope', { scope: 'platform' });
    const idempotencyKey = /name="idempotencyKey" value="([^"]+)"/.exec(
      (await browser.open('/account')).text,
    )![1]!;
    const form = { idempotencyKey, name: 'once', role: 'viewer', days: '7', present: goodPassword };
    const answers = await Promise.all([1, 2].map(() => browser.submit('/account/keys', form)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.flatMap(({ text }) => text.match(/spa_\w{20,}/g) ?? [])).toHaveLength(1);
    expect(await sql`select name from application_keys where user_id = ${id}`).toHaveLength(1);
    const another = await browser.submit('/account/keys', { ...form, name: 'another' });
    expect([another.status, another.text]).toEqual([422, expect.not.stringContaining('spa_')]);
    await browser.submit('/account/scope', { scope: tenantId });
    expect((await browser.submit('/account/keys', { ...form, role: 'viewer' })).status).toBe(403);
    expect(await sql`select name from application_keys where user_id = ${id}`).toHaveLength(1);
  });

  test('stops when the person is disabled, and goes on when they are enabled', async () => {
    const { id, browser } = await person([{ role: 'viewer' }]);
    const key = await keyOf(browser, 'viewer');
    await hub.owner.patch(`/v1/users/${id}`, { status: 'disabled' });
    expect((await key.get('/v1/tenants')).body.detail).toContain('may not act there');
    await hub.owner.patch(`/v1/users/${id}`, { status: 'active' });
    expect((await key.get('/v1/tenants')).status).toBe(200);
  });

  test('is gone with the membership, for good', async () => {
    const tenant = await make.tenant(hub.owner);
    const { id, browser } = await person([{ tenantId: tenant, role: 'owner' }]);
    const key = await keyOf(browser, 'owner');
    expect((await key.get('/v1/tenants')).body.items).toHaveLength(1);
    await hub.owner.patch(`/v1/users/${id}`, { memberships: [] });
    expect((await key.get('/v1/tenants')).status).toBe(401);
    const log = (await hub.owner.get(`/v1/audit-log?tenantId=${tenant}&limit=200`)).body.items;
    expect(log.map(({ action }: { action: string }) => action)).toContain('application-key.delete');
  });

  test('is not made while the membership ends: a later invitation would bring it back', async () => {
    const { id, browser } = await person([{ role: 'viewer' }]);
    const waiting = () => sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    let making: Promise<{ status: number }> | undefined;
    await sql.begin(async (tx) => {
      await tx`select from users where id = ${id} for update`; // as every change of a person begins
      await tx`delete from application_keys where user_id = ${id}`;
      making = browser.submit('/account/keys', {
        ...{ name: 'late', role: 'viewer', days: '30', present: goodPassword },
      });
      await expect.poll(async () => (await waiting()).length, { timeout: 30_000 }).toBe(1);
      await tx`delete from memberships where user_id = ${id}`;
    });
    expect((await making!).status).toBe(403);
    expect(await sql`select from application_keys where user_id = ${id}`).toHaveLength(0);
  });

  test('ends with a link to a new password, which leaves the account no other way in', async () => {
    const { id, browser } = await person([{ role: 'admin' }]);
    const [key, other] = [await keyOf(browser, 'admin'), await keyOf(browser, 'viewer')];
    expect((await key.get('/v1/tenants')).status).toBe(200); // and is remembered
    const present = { present: goodPassword, password: 'another rather long phrase' };
    expect((await browser.submit('/account/password', present)).status).toBe(303);
    expect((await key.get('/v1/tenants')).status, 'who knows the password keeps them').toBe(200);

    const link = (await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'password-reset' })).body.secret;
    const helped = new Visitor(hub.url);
    const page = await helped.open(link.slice(hub.url.length));
    expect(page.text).toContain('your own application keys end');
    expect((await key.get('/v1/tenants')).status, 'the link alone does nothing').toBe(200);
    expect((await helped.follow(link, { password: goodPassword })).status).toBe(303);
    for (const one of [key, other]) expect((await one.get('/v1/tenants')).status).toBe(401);
    const log = (await hub.owner.get(`/v1/audit-log?actorId=${id}&limit=200`)).body.items;
    const ended = log.filter(({ action }: { action: string }) => action === 'application-key.delete');
    expect(ended).toHaveLength(2);
    expect((await keyOf(helped, 'admin')).secret).toBeDefined();
  });

  test('is not made while a link to a new password is used', async () => {
    const { id, browser } = await person([{ role: 'viewer' }]);
    let making: Promise<{ status: number; location: string | null }> | undefined;
    await sql.begin(async (tx) => {
      await tx`select from users where id = ${id} for update`; // as the use of a link begins
      making = browser.submit('/account/keys', {
        ...{ name: 'late', role: 'viewer', days: '30', present: goodPassword },
      });
      const waiting = () => sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await expect.poll(async () => (await waiting()).length, { timeout: 30_000 }).toBe(1);
      await tx`delete from sessions where user_id = ${id}`;
    });
    const { status, location } = await making!;
    expect([status, location]).toEqual([303, '/login']);
    expect(await sql`select from application_keys where user_id = ${id}`).toHaveLength(0);
  });

  test('is gone with the person, or handed over to where it works', async () => {
    const [gone, kept] = [await person([{ role: 'admin' }]), await person([{ role: 'admin' }])];
    const [goneKey, keptKey] = [await keyOf(gone.browser, 'admin'), await keyOf(kept.browser, 'admin')];
    await hub.owner.delete(`/v1/users/${gone.id}`);
    await hub.owner.delete(`/v1/users/${kept.id}?applicationKeys=keep`);
    expect((await goneKey.get('/v1/tenants')).status).toBe(401);
    expect((await keptKey.get('/v1/tenants')).status).toBe(200);
  });

  test('is handed over with the rights that the person has by then, not those it was made with', async () => {
    const [left, alone] = [await person([{ role: 'owner' }]), await person([{ role: 'owner' }])];
    const [leftKey, aloneKey] = [await keyOf(left.browser, 'owner'), await keyOf(alone.browser, 'owner')];
    for (const { id } of [left, alone])
      await hub.owner.patch(`/v1/users/${id}`, { memberships: [{ role: 'viewer' }] });
    await hub.owner.delete(`/v1/users/${left.id}?applicationKeys=keep`);
    const [mine] = (await hub.owner.get(`/v1/application-keys?userId=${alone.id}`)).body.items;
    const handed = await hub.owner.patch(`/v1/application-keys/${mine.id}`, { userId: null });
    expect(handed.body).toMatchObject({ userId: null, role: 'viewer' });
    for (const key of [leftKey, aloneKey])
      expect((await key.get('/v1/whoami')).body).toMatchObject({ role: 'viewer' });
    // Who asks for more says so, by one request or another.
    const raised = await hub.owner.patch(`/v1/application-keys/${mine.id}`, { role: 'admin' });
    expect(raised.body.role).toBe('admin');
  });

  test('can be handed over alone, and ends when its time is over', async () => {
    const { id, browser } = await person([{ role: 'admin' }]);
    const key = await keyOf(browser, 'admin', '7');
    const mine = (await hub.owner.get('/v1/application-keys?limit=200')).body.items.find(
      ({ userId }: { userId: string }) => userId === id,
    );
    await hub.owner.patch(`/v1/application-keys/${mine.id}`, { userId: null });
    await hub.owner.delete(`/v1/users/${id}`);
    expect((await key.get('/v1/tenants')).status).toBe(200);
    await clock.advance(7 * 86_400_000);
    expect((await key.get('/v1/tenants')).body.detail).toContain('expired');
  });

  test('is made by the API for people alone, and is no owner of the platform by itself', async () => {
    const { browser } = await person([{ role: 'owner' }]);
    const expiresAt = new Date(clock.now() + 86_400_000).toISOString();
    const body = { role: 'owner', name: 'api', personal: true, expiresAt };
    const made = (await browser.api('POST', '/v1/application-keys', body)).body;
    expect(made.userId).toMatch(/^usr_/);
    // It always ends, and not later than one that is made on the page.
    const late = new Date(clock.now() + 366 * 86_400_000).toISOString();
    for (const expiresAt of [null, undefined, late]) {
      const answer = await browser.api('POST', '/v1/application-keys', { ...body, expiresAt });
      expect(answer.body.errors).toMatchObject([{ pointer: '/expiresAt' }]);
      if (expiresAt === undefined) continue;
      const changed = await browser.api('PATCH', `/v1/application-keys/${made.id}`, { expiresAt });
      expect(changed.body.errors).toMatchObject([{ pointer: '/expiresAt' }]);
    }
    expect((await hub.owner.post('/v1/application-keys', body)).body.errors).toMatchObject([
      { pointer: '/personal' },
    ]);
  });

  test('is made for who shows the password, or has just signed in, and not for who finds a session open', async () => {
    const { id, browser } = await person([{ role: 'owner' }]);
    const form = { name: 'found', role: 'viewer', days: '7' };
    for (const present of ['', 'a guess of some length']) {
      const answer = await browser.submit('/account/keys', { ...form, present });
      expect([answer.status, answer.text]).toEqual([
        401,
        expect.stringContaining('present password is wrong'),
      ]);
    }
    const byApi = (name: string, personal: boolean) =>
      browser.api('POST', '/v1/application-keys', {
        ...{ role: 'viewer', name, personal, expiresAt: new Date(clock.now() + 3_600_000).toISOString() },
      });
    expect((await byApi('just now', true)).status).toBe(201);

    await clock.advance(600_001);
    for (const personal of [true, false])
      expect((await byApi('later', personal)).body).toMatchObject({ status: 403, code: 'SIGN_IN_AGAIN' });
    const typed = await browser.submit('/application-keys/new', { name: 'typed', role: 'viewer' });
    expect([typed.status, typed.text]).toEqual([403, expect.stringContaining('value="typed"')]);
    expect(typed.text).toContain('you signed in a while ago');
    await keyOf(browser, 'viewer'); // with the password
    const rows = await sql`select name from application_keys where created_by = ${id} order by id`;
    expect(rows.map(({ name }) => name)).toEqual(['just now', 'mine']);
  });

  test('and what else outlasts a session, asks who sits there, and goes on with what was typed', async () => {
    const { browser } = await person([{ role: 'owner' }]);
    const { id: other } = await person([{ role: 'viewer' }]);
    await clock.advance(600_001);
    const memberships = [{ role: 'owner' }];
    const asked: [method: string, path: string, body: object][] = [
      ['POST', '/v1/users', { email: 'accomplice@example.com', memberships }],
      ['POST', `/v1/users/${other}/links`, { purpose: 'password-reset' }],
      ['PATCH', `/v1/users/${other}`, { memberships }],
    ];
    for (const [method, path, body] of asked)
      expect((await browser.api(method, path, body)).body).toMatchObject({ code: 'SIGN_IN_AGAIN' });
    // What gives nobody anything needs no more than the session.
    expect((await browser.api('PATCH', `/v1/users/${other}`, { name: 'Another' })).status).toBe(200);

    const form = { email: 'friend@example.com', role: 'viewer', idempotencyKey: 'platform.0123456789abcdef' };
    const page = await browser.submit('/users/new', form);
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('Confirm that it is you')]);
    const sentAgain = Object.fromEntries(
      [...page.text.split('<main')[1]!.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(
        ([, name, value]) => [name!, value!],
      ),
    );
    expect(sentAgain).toEqual(form);
    const wrong = await browser.submit('/users/new', { ...sentAgain, present: 'a guess of some length' });
    expect([wrong.status, wrong.text]).toEqual([
      401,
      expect.stringContaining('The present password is wrong'),
    ]);
    expect(wrong.text).toContain('friend@example.com');
    expect(page.text.split('<main')[1]!.match(/ name="[^"]*"/g)).toEqual(
      [...Object.keys(form), 'present'].map((name) => ` name="${name}"`),
    );
    expect(wrong.text).not.toContain('a guess of some length');
    const invited = await browser.submit('/users/new', { ...sentAgain, present: goodPassword });
    expect([invited.status, invited.text]).toEqual([200, expect.stringContaining('Hand this link')]);
    // It was shown for that one form.
    const next = await browser.submit('/users/new', { ...form, email: 'x@example.com', idempotencyKey: '' });
    expect(next.status).toBe(403);
    const found =
      await sql`select email from users where email in ('accomplice@example.com', 'x@example.com')`;
    expect(found).toEqual([]);
  });

  test("is the person's to see and revoke, and nobody else's", async () => {
    const { browser } = await person([{ role: 'viewer' }]);
    const key = await keyOf(browser, 'viewer');
    const id = /name="key" value="(apk_\w+)"/.exec((await browser.open('/account')).text)![1]!;
    const other = await person([{ role: 'admin' }]);
    expect((await other.browser.open('/account')).text).not.toContain(id);
    await other.browser.submit('/account/keys/revoke', { key: id });
    expect((await key.get('/v1/tenants')).status).toBe(200);
    await browser.submit('/account/keys/revoke', { key: id });
    expect((await key.get('/v1/tenants')).status).toBe(401);
  });
});

describe('a code for the command line', () => {
  const verifier = 'v'.repeat(43);
  const asked = {
    port: '40123',
    state: 's'.repeat(43),
    challenge: hash('sha256', verifier, 'base64url'),
    name: 'spokecast on laptop',
  };
  const exchange = (code: string, more = {}) =>
    fetch(`${hub.url}/command-line/key`, {
      method: 'POST',
      body: new URLSearchParams({ code, verifier, name: asked.name, ...more }),
    });
  const codeFor = async (browser: Visitor) => {
    const answer = await browser.submit('/command-line', asked);
    const url = new URL(answer.headers.get('refresh')!.replace('0; url=', ''));
    expect([url.origin, url.searchParams.get('state')]).toEqual(['http://127.0.0.1:40123', asked.state]);
    return url.searchParams.get('code')!;
  };

  test('is worth nothing once a link to a new password was used', async () => {
    const { id, browser } = await person([{ role: 'viewer' }]);
    const code = await codeFor(browser);
    const link = (await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'password-reset' })).body.secret;
    expect((await new Visitor(hub.url).follow(link, { password: goodPassword })).status).toBe(303);
    expect((await exchange(code)).status).toBe(410);
    expect((await browser.submit('/command-line', asked)).location).toContain('/login');
  });

  test('is worth a key of the person once, to who began it, for two minutes', async () => {
    const { id, browser } = await person([{ role: 'viewer' }]);
    const code = await codeFor(browser);
    const given = (await (await exchange(code)).json()) as { secret: string; role: string };
    expect(given).toMatchObject({ role: 'viewer', tenantId: null });
    expect((await hub.as(given.secret).get('/v1/tenants')).status).toBe(200);
    expect((await exchange(code)).status).toBe(410);
    const giveBack = (key: string) =>
      fetch(`${hub.url}/command-line/key/revoke`, {
        method: 'POST',
        body: new URLSearchParams(),
        headers: { authorization: `Bearer ${key}` },
      });
    expect((await giveBack(hub.owner.secret!)).status).toBe(403); // a program's
    expect((await giveBack(given.secret)).status).toBe(204);
    expect((await hub.as(given.secret).get('/v1/tenants')).status).toBe(401);
    expect((await giveBack(given.secret)).status).toBe(401);

    const stolen = await codeFor(browser);
    expect((await exchange(stolen, { verifier: 'w'.repeat(43) })).status).toBe(410);
    expect((await exchange(stolen)).status).toBe(410);

    const late = await codeFor(browser);
    await clock.advance(120_001);
    expect((await exchange(late)).status).toBe(410);

    const disabled = await codeFor(browser);
    await hub.owner.patch(`/v1/users/${id}`, { status: 'disabled' });
    expect((await exchange(disabled)).status).toBe(410);
  });

  test('is given by who has just signed in, or shows the password', async () => {
    const { browser } = await person([{ role: 'viewer' }]);
    const query = `/command-line?${new URLSearchParams(asked)}`;
    expect((await browser.open(query)).text).not.toContain('name="present"');
    await clock.advance(600_001);
    expect((await browser.open(query)).text).toContain('name="present"');
    const refused = await browser.submit('/command-line', { ...asked, present: 'a guess of some length' });
    expect([refused.status, refused.headers.get('refresh')]).toEqual([401, null]);
    expect(refused.text).toContain('name="present"');
    const let_ = await browser.submit('/command-line', { ...asked, present: goodPassword });
    expect([let_.status, let_.headers.get('refresh')]).toEqual([200, expect.stringContaining('code=')]);
  });

  test('is given after a question, to who is signed in, and only back to this machine', async () => {
    const query = `/command-line?${new URLSearchParams(asked)}`;
    const stranger = new Visitor(hub.url);
    expect((await stranger.open(query)).location).toBe(`/login?next=${encodeURIComponent(query)}`);
    const { browser } = await person([{ role: 'viewer' }]);
    expect((await browser.open(query)).text).toContain('spokecast on laptop');
    browser.headers = { 'sec-fetch-site': 'cross-site' };
    expect((await browser.submit('/command-line', asked)).status).toBe(403);
    browser.headers = { 'sec-fetch-site': 'same-origin' };
    for (const port of ['80', '1@evil.example', '4000/..', '99999'])
      expect((await browser.submit('/command-line', { ...asked, port })).status).toBe(400);
  });
});
