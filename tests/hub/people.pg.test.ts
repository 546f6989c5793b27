import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSetUpLink } from '../../hub/auth/set-up-link.ts';
import { createSetUpLink } from '../../hub/bootstrap.ts';
import { runCli } from '../infra/support/cli.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import type { Client } from './support/client.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';
import { goodPassword, Visitor } from './support/visitor.ts';

const clock = new VirtualClock();
const minute = 60_000;
let hub: TestHub;
/** Another process of the same hub. */
let other: TestHub;
let sql: postgres.Sql;

beforeAll(async () => {
  hub = await startHub({ clock, environment: { SPOKECAST_FAILED_LOGINS_MAX: '5' } });
  other = await startHub({ clock, databaseUrl: hub.databaseUrl });
  sql = postgres(hub.databaseUrl, { max: 2 });
});
afterAll(async () => {
  await sql.end();
  await other[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const visitor = () => new Visitor(hub.url);
const newPassword = { name: 'Ann Example', password: goodPassword };

/** Somebody who has accepted, signed in. */
async function person(
  client: Client,
  memberships: { tenantId?: string | null; role: string }[],
): Promise<{ id: string; email: string; browser: Visitor }> {
  const { id, email, link } = await make.user(client, memberships);
  const browser = visitor();
  expect((await browser.follow(link, newPassword)).location).toBe('/');
  return { id, email, browser };
}

const signIn = (browser: Visitor, email: string, password = goodPassword) =>
  browser.submit('/login', { email, password });

describe('setting up', () => {
  test('is by a link that works once, and makes the first owner; there is no other way in', async () => {
    await using fresh = await startHub();
    const { database, people } = fresh.hub.services;
    const parts = { ...fresh.hub.services, people };
    const first = (await makeSetUpLink(database.db, parts))!;
    const second = await createSetUpLink(fresh.databaseUrl, { origin: fresh.url, linkMs: minute });
    const browser = new Visitor(fresh.url);
    expect((await browser.open(new URL(first.url).pathname)).status).toBe(410);
    // Opening it changes nothing, as scanners of mail do.
    for (let i = 0; i < 2; i++)
      expect((await browser.open(first.url.slice(fresh.url.length))).status).toBe(200);

    const form = { email: 'First@Example.com ', ...newPassword };
    expect((await browser.follow(first.url, { ...form, password: 'short' })).text).toContain('at least 15');
    expect((await browser.follow(first.url, form)).location).toBe('/');
    expect((await browser.api('GET', '/v1/users')).body.items).toMatchObject([
      {
        email: 'first@example.com',
        status: 'active',
        memberships: [{ tenantId: null, role: 'owner', status: 'active' }],
      },
    ]);
    for (const used of [first, second!])
      expect((await new Visitor(fresh.url).follow(used.url, form)).status).toBe(410);
    expect(await createSetUpLink(fresh.databaseUrl, { origin: fresh.url, linkMs: minute })).toBeUndefined();
  });

  test('expires', async () => {
    const link = (await makeSetUpLink(hub.hub.services.database.db, hub.hub.services))!;
    await clock.advance(60 * minute + 1);
    expect((await visitor().open(link.url.slice(hub.url.length))).status).toBe(410);
  });
});

describe('an invitation', () => {
  test('makes an account with a password, works once, and is shown once', async () => {
    const tenant = await make.tenant(hub.owner);
    const body = { email: 'Once@Example.com', memberships: [{ tenantId: tenant, role: 'admin' }] };
    const sent = { headers: { 'idempotency-key': 'once' } };
    const answer = await hub.owner.post('/v1/users', body, sent);
    expect(answer.body).toMatchObject({ email: 'once@example.com', status: 'invited' });
    const replay = await hub.owner.post('/v1/users', body, sent);
    expect(replay.body).toMatchObject({ id: answer.body.id, secretOmitted: true });
    expect(JSON.stringify(replay.body)).not.toContain('token=');
    expect(JSON.stringify((await hub.owner.get('/v1/audit-log?limit=200')).body)).not.toContain('token=');

    const [browser, other] = [visitor(), visitor()];
    const both = await Promise.all(
      [browser, other].map((one) => one.follow(answer.body.secret, newPassword)),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([303, 410]);
    expect((await hub.owner.get(`/v1/users/${answer.body.id}`)).body).toMatchObject({
      name: 'Ann Example',
      status: 'active',
      memberships: [{ tenantId: tenant, status: 'active' }],
    });
    const again = await hub.owner.post('/v1/users', body);
    expect(again.body.code).toBe('ALREADY_MEMBER');
  });

  test('gives no rights before it is accepted, and none to who does not hold the account', async () => {
    const [mine, theirs] = [await make.tenant(hub.owner), await make.tenant(hub.owner)];
    const intruder = hub.as((await make.applicationKey(hub.owner, { role: 'owner', tenantId: mine })).secret);
    // Somebody who owns a tenant invites a stranger's address and takes the account himself ...
    const taken = await make.user(intruder, [{ role: 'viewer' }], 'victim@example.com');
    const impostor = visitor();
    await impostor.follow(taken.link, newPassword);
    // ... so that the platform's invitation of the same address must not make him its admin.
    const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }], 'victim@example.com');
    expect((await impostor.submit('/account/scope', { scope: 'platform' })).status).toBe(404);
    expect((await impostor.api('GET', '/v1/sweeps')).status).toBe(403);
    const victim = visitor();
    const refused = await victim.follow(link, { name: 'x', password: 'some other long password' });
    expect([refused.status, victim.cookie]).toEqual([401, '']);
    const { id } = taken;
    const reset = await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'password-reset' });
    expect((await victim.follow(reset.body.secret, { password: 'entirely another phrase' })).status).toBe(
      303,
    );
    expect((await impostor.open('/account')).location).toContain('/login');
    expect((await victim.follow(link, {})).status).toBe(303);
    expect((await victim.api('GET', '/v1/sweeps')).status).toBe(200);
    expect((await intruder.get(`/v1/users/${id}`)).body.memberships).toEqual([
      { tenantId: mine, role: 'viewer', status: 'active' },
    ]);
    expect(theirs).not.toBe(mine);
  });

  test('takes the account out of the hands of who could reset its password before', async () => {
    const mine = await make.tenant(hub.owner);
    const intruder = hub.as((await make.applicationKey(hub.owner, { role: 'owner', tenantId: mine })).secret);
    const { id, email, browser } = await person(intruder, [{ role: 'viewer' }]);
    const reset = await intruder.post(`/v1/users/${id}/links`, { purpose: 'password-reset' });
    expect(reset.status).toBe(201);
    const elsewhere = visitor();
    await signIn(elsewhere, email);
    const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }], email);
    expect((await browser.follow(link, {})).status).toBe(303);
    // A link or a session that somebody put aside opens less than the account is now.
    expect((await visitor().follow(reset.body.secret, { password: 'entirely another phrase' })).status).toBe(
      410,
    );
    expect((await elsewhere.api('GET', '/v1/sweeps')).status).toBe(401);
    expect((await browser.api('GET', '/v1/sweeps')).status).toBe(200);
  });

  test('that was withdrawn opens nothing, also where its person is invited anew', async () => {
    const tenant = await make.tenant(hub.owner);
    const wanted = [
      { tenantId: null, role: 'viewer' },
      { tenantId: tenant, role: 'viewer' },
    ];
    const { id, link } = await make.user(hub.owner, wanted);
    await hub.owner.patch(`/v1/users/${id}`, { memberships: [] });
    expect((await visitor().open(new URL(link).pathname + new URL(link).search)).status).toBe(410);
    await hub.owner.patch(`/v1/users/${id}`, { memberships: [{ tenantId: null, role: 'owner' }] });
    expect((await visitor().follow(link, newPassword)).status).toBe(410);
    const anew = await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' });
    expect((await visitor().follow(anew.body.secret, newPassword)).status).toBe(303);
  });

  test('expires, and another takes its place', async () => {
    const { id, link } = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const second = await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' });
    expect((await visitor().follow(link, newPassword)).status).toBe(410);
    await clock.advance(7 * 24 * 60 * minute + 1);
    expect((await visitor().follow(second.body.secret, newPassword)).status).toBe(410);
    const third = await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' });
    expect((await visitor().follow(third.body.secret, newPassword)).status).toBe(303);
    expect((await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' })).body.code).toBe(
      'NOTHING_TO_ACCEPT',
    );
  });
});

test('a link to a new password works once, also for two who use it at once', async () => {
  const { id } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
  const link = (await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'password-reset' })).body.secret;
  const both = ['one rather long phrase', 'another rather long phrase'];
  const answers = await Promise.all(both.map((password) => visitor().follow(link, { password })));
  expect(answers.map(({ status }) => status).sort()).toEqual([303, 410]);
});

describe('a session', () => {
  test('is new at each sign-in, whatever cookie the browser brings', async () => {
    const { email, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const [name, before] = [...browser.cookies][0]!;
    const fixed = visitor();
    fixed.cookies.set(name, 'A'.repeat(43));
    await signIn(fixed, email);
    expect(fixed.cookies.get(name)).not.toBe('A'.repeat(43));

    await signIn(browser, email);
    expect(browser.cookies.get(name)).not.toBe(before);
    const stale = visitor();
    stale.cookies.set(name, before);
    expect((await stale.api('GET', '/v1/tenants')).status).toBe(401);
    const stored = JSON.stringify(await sql`select * from sessions`);
    expect(stored).not.toContain(browser.cookies.get(name)!);
  });

  test('ends when it idles, and after its longest time however much it is used', async () => {
    const { browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const works = async () => (await browser.api('GET', '/v1/tenants')).status === 200;
    for (let hour = 0; hour < 23; hour++) {
      await clock.advance(59 * minute);
      expect(await works()).toBe(true);
    }
    await clock.advance(55 * minute);
    expect(await works()).toBe(true);
    await clock.advance(29 * minute);
    expect(await works()).toBe(false);

    const idle = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    await clock.advance(60 * minute + 1);
    expect((await idle.browser.api('GET', '/v1/tenants')).body.code).toBe('UNAUTHENTICATED');
  });

  test.each([
    ['signing out', async (_: string, browser: Visitor) => browser.submit('/logout')],
    [
      'signing out everywhere',
      async (_: string, browser: Visitor) => browser.submit('/account/sessions/end-all'),
    ],
    [
      'the command line, him alone',
      async (id: string) => {
        const ran = await runCli({ DATABASE_URL: hub.databaseUrl }, [
          'hub',
          'sign-out',
          '--user',
          id,
          '--json',
        ]);
        expect([ran.exitCode, ran.stdout]).toEqual([0, '{"sessions":1,"people":1}\n']);
        const [entry] = (
          await hub.owner.get(`/v1/audit-log?resourceId=${id}&action=user.sign-out-everywhere`)
        ).body.items;
        expect(entry).toMatchObject({
          action: 'user.sign-out-everywhere',
          actor: { id: 'cli' },
          resourceId: id,
        });
      },
    ],
    [
      'the command line, with everybody',
      async () => {
        const ran = await runCli({ DATABASE_URL: hub.databaseUrl }, ['hub', 'sign-out', '--all']);
        expect([ran.exitCode, ran.stderr]).toEqual([0, expect.stringContaining('Ended ')]);
        expect(await sql`select from sessions`).toHaveLength(0);
      },
    ],
    ['being disabled', async (id: string) => hub.owner.patch(`/v1/users/${id}`, { status: 'disabled' })],
    ['being removed', async (id: string) => hub.owner.delete(`/v1/users/${id}`)],
    [
      'losing every membership',
      async (id: string) => hub.owner.patch(`/v1/users/${id}`, { memberships: [] }),
    ],
  ])('is over at once, also at another hub, by %s', async (_, end) => {
    const { id, email, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const port = new URL(hub.url).port;
    const elsewhere = new Visitor(other.url);
    const [name, token] = [...browser.cookies][0]!;
    elsewhere.cookies.set(name.replace(port, new URL(other.url).port), token);
    expect((await elsewhere.api('GET', '/v1/tenants')).status).toBe(200);
    await end(id, browser);
    expect((await elsewhere.api('GET', '/v1/tenants')).status).toBeGreaterThanOrEqual(401);
    expect(email).toContain('@');
  });

  test('elsewhere is over when the password changes; here it goes on with another token', async () => {
    const { email, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const other = visitor();
    await signIn(other, email);
    const [name, before] = [...browser.cookies][0]!;
    const changed = { present: goodPassword, password: 'a rather different phrase' };
    expect((await browser.submit('/account/password', { ...changed, present: 'wrong' })).status).toBe(401);
    expect((await browser.submit('/account/password', changed)).location).toBe('/account');
    expect(browser.cookies.get(name)).not.toBe(before);
    expect((await browser.open('/account')).status).toBe(200);
    expect((await other.open('/account')).location).toContain('/login');
    expect((await signIn(visitor(), email)).status).toBe(401);
    expect((await signIn(visitor(), email, changed.password)).status).toBe(303);
  });

  test('acts in the scope that was chosen, and with the role there', async () => {
    const tenant = await make.tenant(hub.owner, 'Chosen');
    const { browser } = await person(hub.owner, [
      { tenantId: null, role: 'viewer' },
      { tenantId: tenant, role: 'admin' },
    ]);
    const all = (await browser.api('GET', '/v1/tenants?limit=200')).body.items;
    expect(all.length).toBeGreaterThan(1);
    await browser.submit('/account/scope', { scope: tenant });
    expect((await browser.api('GET', '/v1/tenants')).body.items).toMatchObject([{ id: tenant }]);
    const elsewhere = await make.tenant(hub.owner);
    expect((await browser.submit('/account/scope', { scope: elsewhere })).status).toBe(404);
  });

  test('is asked where it acts once a membership has ended there, and acts nowhere until then', async () => {
    const tenant = await make.tenant(hub.owner, 'Left');
    const { browser } = await person(hub.owner, [
      { tenantId: null, role: 'owner' },
      { tenantId: tenant, role: 'owner' },
    ]);
    await browser.submit('/account/scope', { scope: tenant });
    await hub.owner.delete(`/v1/tenants/${tenant}`);
    const refused = await browser.api('GET', '/v1/tenants');
    expect([refused.status, refused.body.detail]).toEqual([403, expect.stringContaining('/account')]);
    expect((await browser.open('/')).location).toBe('/account');
    expect((await browser.open('/account')).text).toContain('Choose where you act now');
    const form = { email: 'meant-for-the-left@example.com', role: 'owner' };
    const sent = await browser.submit('/users/new', form);
    expect([sent.status, sent.text]).toEqual([403, expect.stringContaining(form.email)]);
    expect(await sql`select from users where email = ${form.email}`).toHaveLength(0);
    expect((await browser.submit('/account/keys', { name: 'k', role: 'owner', days: '7' })).status).toBe(403);
    await browser.submit('/account/scope', { scope: 'platform' });
    expect((await browser.api('GET', '/v1/tenants')).status).toBe(200);
  });

  test('stays where it acts when more is opened to its person, and when the password changes', async () => {
    const tenant = await make.tenant(hub.owner, 'Stays');
    const { browser, id, email } = await person(hub.owner, [{ tenantId: tenant, role: 'owner' }]);
    await signIn(browser, email);
    const places = async () =>
      (await browser.api('GET', '/v1/tenants')).body.items.map((each: { id: string }) => each.id);
    await sql`insert into memberships (user_id, role, accepted_at, created_at) values (${id}, 'owner', now(), now())`;
    expect(await places()).toEqual([tenant]);
    const password = 'another long password of theirs';
    await browser.submit('/account/password', { present: goodPassword, password });
    expect(await places()).toEqual([tenant]);
  });

  test('makes nothing by a form that was opened where the person acted before', async () => {
    const tenant = await make.tenant(hub.owner, 'Chosen before');
    const { browser } = await person(hub.owner, [
      { tenantId: null, role: 'owner' },
      { tenantId: tenant, role: 'owner' },
    ]);
    await browser.submit('/account/scope', { scope: tenant });
    const page = (await browser.open('/users/new')).text;
    const idempotencyKey = /name="idempotencyKey" value="([^"]+)"/.exec(page)![1]!;
    const form = { idempotencyKey, email: 'meant-for-the-tenant@example.com', role: 'owner' };
    // In another tab, or because the membership has ended meanwhile.
    await browser.submit('/account/scope', { scope: 'platform' });
    const refused = await browser.submit('/users/new', form);
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('Chosen before')]);
    expect(await sql`select from users where email = ${form.email}`).toHaveLength(0);
    await browser.submit('/account/scope', { scope: tenant });
    expect((await browser.submit('/users/new', form)).status).toBe(200);
    expect(
      await sql`select tenant_id from memberships m join users u on u.id = m.user_id
      where email = ${form.email}`,
    ).toEqual([{ tenant_id: tenant }]);
  });

  test('shows a thing under its own path alone', async () => {
    const { browser, id } = await person(hub.owner, [{ tenantId: null, role: 'owner' }]);
    expect((await browser.open(`/users/${id}/delete`)).status).toBe(200);
    for (const path of [`/tenants/..%2Fusers%2F${id}`, `/users/..%2Fusers%2F${id}/delete`])
      expect([path, (await browser.open(path)).status]).toEqual([path, 404]);
    const key = (await hub.owner.get('/v1/application-keys?limit=1')).body.items[0].id;
    const removed = await browser.submit(`/users/..%2Fapplication-keys%2F${key}/status`, {
      status: 'disabled',
    });
    expect(removed.status).toBe(404);
    expect((await hub.owner.get('/v1/whoami')).status).toBe(200);
  });

  test('that ends ends what is still being downloaded by it', async () => {
    await sql`
      insert into audit_log (id, actor_id, actor_name, action, resource_type, resource_id, request_id)
      select 'aud_' || lpad(n::text, 26, '0'), 'cli', 'cli', 'tenant.update', 'tenant', 'ten_x', 'req_by_hand'
      from generate_series(1, 1200) n`;
    const exported = async (browser: Visitor, meanwhile: () => Promise<unknown>) => {
      const headers = { cookie: browser.cookie, 'sec-fetch-site': 'same-origin' };
      const url = `${hub.url}/audit-log/export?format=ndjson&resourceId=ten_x`;
      const { body } = await hub.hub.app.fetch(new Request(url, { headers }));
      const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = (await reader.read()).value!;
      await meanwhile();
      for (;;) {
        const next = await reader.read().catch(() => undefined);
        if (!next || next.done) return { lines: text.split('\n').length - 1, isWhole: next !== undefined };
        text += next.value;
      }
    };
    const { id, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    expect(await exported(browser, async () => {})).toEqual({ lines: 1200, isWhole: true });
    const cut = await exported(browser, () => hub.owner.patch(`/v1/users/${id}`, { status: 'disabled' }));
    expect([cut.isWhole, cut.lines < 1200]).toEqual([false, true]);
  });

  test('goes on to a path of the hub after signing in, whatever a link says', async () => {
    const { email, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const foreign = ['//evil.example', '/\\evil.example', 'https://evil.example', '/..//evil.example'];
    for (const next of [...foreign, '/.//evil.example', '/a/..//evil.example', '/%2e//evil.example']) {
      const open = await browser.open(`/login?next=${encodeURIComponent(next)}`);
      expect([next, open.location]).toEqual([next, '/']);
      const sent = await browser.submit('/login', { email, password: goodPassword, next });
      expect([next, sent.location]).toEqual([next, '/']);
    }
    expect((await browser.open('/login?next=/a/../users%3Fx=1')).location).toBe('/users?x=1');
  });

  test('has a cookie that scripts cannot read, for this host alone', async () => {
    const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const { headers } = await visitor().follow(link, newPassword);
    expect(headers.get('set-cookie')).toMatch(
      /^spokecast-session-\d+=[\w-]{43}; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    await using secure = await startHub({
      environment: { SPOKECAST_PUBLIC_URL: 'https://hub.example' },
    });
    const invited = await make.user(secure.owner, [{ tenantId: null, role: 'viewer' }]);
    expect(invited.link).toMatch(/^https:\/\/hub\.example\/invitation\?token=/);
    const over = new Visitor(secure.url);
    const answer = await over.follow(invited.link, newPassword);
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-spokecast-session=.*; Path=\/; .*; Secure$/);
    over.headers = { origin: secure.url };
    expect((await over.submit('/logout')).status).toBe(403);
  });
});

describe('a request from another site', () => {
  test('is refused, whatever the browser adds to it, and changes nothing', async () => {
    const { browser } = await person(hub.owner, [{ tenantId: null, role: 'owner' }]);
    const own = hub.url;
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
      {},
    ];
    for (const headers of foreign) {
      browser.headers = headers;
      const made = await browser.api('POST', '/v1/tenants', { name: 'forged' });
      expect(made.body, JSON.stringify(headers)).toMatchObject({ status: 403, code: 'CROSS_ORIGIN' });
      expect((await browser.submit('/account/sessions/end-all')).status).toBe(403);
      expect((await browser.submit('/login', { email: 'a@b.example', password: 'x' })).status).toBe(403);
    }
    browser.headers = { 'sec-fetch-site': 'cross-site' };
    expect((await browser.api('GET', '/v1/tenants')).status).toBe(403);
    for (const headers of [{ origin: own }, { 'sec-fetch-site': 'same-origin', origin: own }]) {
      browser.headers = headers as Record<string, string>;
      expect((await browser.api('GET', '/v1/tenants?name=forged')).body.items).toEqual([]);
      expect((await browser.submit('/account/scope', { scope: 'platform' })).status).toBe(303);
    }
    // A key is no cookie: nobody's browser adds it by itself.
    const answer = await hub.owner.get('/v1/tenants', { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(answer.status).toBe(200);
  });

  test('or to a name that is not the hub’s, is told where to go', async () => {
    const answer = await hub.hub.app.fetch(new Request('http://hub.example/login'));
    expect([answer.status, await answer.text()]).toEqual([
      421,
      expect.stringContaining('SPOKECAST_PUBLIC_URL'),
    ]);
  });
});

describe('a password', () => {
  const checks = async () => {
    const metric = await hub.hub.services.metrics.passwordChecks.get();
    return metric.values.reduce((sum, { value }) => sum + value, 0);
  };

  test('that is wrong gets the answer of an unknown address, at the cost of one hash each', async () => {
    const { id, email } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const invited = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    await hub.owner.patch(`/v1/users/${id}`, { status: 'disabled' });
    const answers: string[] = [];
    for (const one of [email, invited.email, 'nobody@example.com', '']) {
      const before = await checks();
      const answer = await signIn(visitor(), one);
      expect([answer.status, (await checks()) - before]).toEqual([401, 1]);
      answers.push(answer.text.replaceAll(`value="${one}"`, ''));
    }
    expect(new Set(answers).size).toBe(1);
    await clock.advance(15 * minute);
  });

  test('that is wrong is counted alike whether or not there is an account: anybody may read metrics', async () => {
    const { email } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const counted = async (address: string) => {
      const outcomes = async () =>
        new Map(
          (await hub.hub.services.metrics.passwordChecks.get()).values.map(({ labels, value }) => [
            labels.outcome,
            value,
          ]),
        );
      const before = await outcomes();
      await signIn(visitor(), address, 'wrong');
      return [...(await outcomes())].filter(([outcome, value]) => value !== before.get(outcome));
    };
    const names = async (address: string) => (await counted(address)).map(([outcome]) => outcome);
    expect(await names(email)).toEqual(await names('no-account@example.com'));
    await clock.advance(15 * minute);
  });

  test('can be guessed at a few times only; no hash is computed beyond', async () => {
    const { email, browser } = await person(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    await clock.advance(15 * minute);
    await signIn(browser, email); // this address is known to this account now
    const before = await checks();
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async () => (await signIn(visitor(), email, 'wrong')).status),
    );
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(7);
    expect((await checks()) - before).toBe(5);
    const limited = await signIn(visitor(), email);
    expect([limited.status, Number(limited.headers.get('retry-after')) > 60]).toEqual([429, true]);
    await clock.advance(15 * minute);
    expect((await signIn(visitor(), email)).status).toBe(303);
  });

  test.each([
    ['short', 'at least 15'],
    ['x'.repeat(40), 'same few characters'],
    [`${'abcd '.repeat(60)}`, 'at most 256'],
  ])('like %j is refused, with the reason', async (password, reason) => {
    const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const answer = await visitor().follow(link, { name: 'x', password });
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining(reason)]);
  });
});

describe('rights', () => {
  /** What an actor tries on a person of another standing, and what comes of it. */
  test('nobody grants more than they have, or reaches people of others', async () => {
    const [mine, theirs] = [await make.tenant(hub.owner), await make.tenant(hub.owner)];
    const tenantOwner = (await person(hub.owner, [{ tenantId: mine, role: 'owner' }])).browser;
    const tenantAdmin = (await person(hub.owner, [{ tenantId: mine, role: 'admin' }])).browser;
    const platformAdmin = (await person(hub.owner, [{ tenantId: null, role: 'admin' }])).browser;
    const stranger = await person(hub.owner, [{ tenantId: theirs, role: 'viewer' }]);
    const shared = await person(hub.owner, [
      { tenantId: theirs, role: 'owner' },
      { tenantId: mine, role: 'viewer' },
    ]);
    const boss = await person(hub.owner, [
      { tenantId: null, role: 'owner' },
      { tenantId: mine, role: 'viewer' },
    ]);
    const invite = (memberships: object[]) => ({ email: 'new@example.com', memberships });
    const reset = { purpose: 'password-reset' };
    const at = ({ id }: { id: string }) => `/v1/users/${id}`;
    const attempts: [string, Visitor, string, string, object | undefined, number][] = [
      [
        'invite to the platform',
        tenantOwner,
        'POST',
        '/v1/users',
        invite([{ tenantId: null, role: 'viewer' }]),
        403,
      ],
      [
        'invite to another tenant',
        tenantOwner,
        'POST',
        '/v1/users',
        invite([{ tenantId: theirs, role: 'viewer' }]),
        404,
      ],
      ['invite as an admin', tenantAdmin, 'POST', '/v1/users', invite([{ role: 'viewer' }]), 403],
      [
        'invite as the platform’s admin',
        platformAdmin,
        'POST',
        '/v1/users',
        invite([{ role: 'viewer' }]),
        403,
      ],
      ['read a stranger', tenantOwner, 'GET', at(stranger), undefined, 404],
      ['change a stranger', tenantOwner, 'PATCH', at(stranger), { memberships: [{ role: 'owner' }] }, 404],
      ['remove a stranger', tenantOwner, 'DELETE', at(stranger), undefined, 404],
      ['reset a stranger', tenantOwner, 'POST', `${at(stranger)}/links`, reset, 404],
      ['rename who is shared', tenantOwner, 'PATCH', at(shared), { name: 'x' }, 403],
      ['disable who is shared', tenantOwner, 'PATCH', at(shared), { status: 'disabled' }, 403],
      ['reset who is shared', tenantOwner, 'POST', `${at(shared)}/links`, reset, 403],
      ['reset the platform’s owner', tenantOwner, 'POST', `${at(boss)}/links`, reset, 403],
      [
        'raise a member beyond the tenant',
        tenantOwner,
        'PATCH',
        at(shared),
        { memberships: [{ tenantId: null, role: 'owner' }] },
        403,
      ],
      ['raise oneself as an admin', tenantAdmin, 'PATCH', at(shared), { memberships: [] }, 403],
      ['reset as the platform’s admin', platformAdmin, 'POST', `${at(boss)}/links`, reset, 403],
    ];
    const before = await sql`select * from memberships order by user_id, tenant_id`;
    for (const [what, who, method, path, body, status] of attempts) {
      const answer = await who.api(method, path, body);
      expect([what, answer.status]).toEqual([what, status]);
    }
    expect(await sql`select * from memberships order by user_id, tenant_id`).toEqual(before);
    expect(await sql`select from users where email = 'new@example.com'`).toHaveLength(0);

    const shownToTenant = await tenantOwner.api('GET', '/v1/users?limit=200');
    const shown = JSON.stringify(shownToTenant.body);
    expect(shown).not.toContain(stranger.id);
    expect(shown).not.toContain(theirs);
    // Nor does the list tell which of its people belong to another tenant too.
    const asked = await tenantOwner.api('GET', `/v1/users?tenantId=${theirs}`);
    expect(asked.body.items).toEqual([]);
    // In their own tenant they may: the rest of the person is untouched.
    expect((await tenantOwner.api('PATCH', at(shared), { memberships: [{ role: 'admin' }] })).status).toBe(
      200,
    );
    expect((await tenantOwner.api('DELETE', at(shared))).status).toBe(204);
    expect((await hub.owner.get(at(shared))).body.memberships).toMatchObject([
      { tenantId: theirs, role: 'owner' },
    ]);
  });

  test('an invited stranger is shown to the tenant as an address and nothing more', async () => {
    const [mine, theirs] = [await make.tenant(hub.owner), await make.tenant(hub.owner)];
    const known = await person(hub.owner, [{ tenantId: theirs, role: 'viewer' }]);
    const key = hub.as((await make.applicationKey(hub.owner, { role: 'owner', tenantId: mine })).secret);
    const { id } = await make.user(key, [{ role: 'viewer' }], known.email);
    expect((await key.get(`/v1/users/${id}`)).body).toMatchObject({
      name: known.email,
      status: 'invited',
      lastSignedInAt: null,
      memberships: [{ tenantId: mine, status: 'invited' }],
    });
    expect((await key.post(`/v1/users/${id}/links`, { purpose: 'password-reset' })).status).toBe(403);
    expect((await key.delete(`/v1/users/${id}`)).status).toBe(204);
    expect((await hub.owner.get(`/v1/users/${id}`)).body.status).toBe('active');
  });

  test('the platform keeps an owner: the last person or key that is one stays', async () => {
    await using alone = await startHub();
    const [key] = (await alone.owner.get('/v1/application-keys?role=owner')).body.items;
    const { id, link } = await make.user(alone.owner, [{ tenantId: null, role: 'owner' }]);
    // An invitation is no owner yet.
    expect((await alone.owner.delete(`/v1/application-keys/${key.id}`)).body.code).toBe('LAST_OWNER');
    const browser = new Visitor(alone.url);
    await browser.follow(link, newPassword);
    expect((await browser.api('DELETE', `/v1/application-keys/${key.id}`)).status).toBe(204);
    const path = `/v1/users/${id}`;
    for (const change of [{ status: 'disabled' }, { memberships: [] }, { memberships: [{ role: 'admin' }] }])
      expect((await browser.api('PATCH', path, change)).body.code).toBe('LAST_OWNER');
    expect((await browser.api('DELETE', path)).body.code).toBe('LAST_OWNER');
    expect((await browser.api('GET', path)).body.memberships).toMatchObject([{ role: 'owner' }]);
  });
});

test('what people do is in the audit log, in the log of where it belongs, without secrets', async () => {
  const tenant = await make.tenant(hub.owner);
  const { id, email, browser } = await person(hub.owner, [{ tenantId: tenant, role: 'owner' }]);
  await browser.api('PATCH', `/v1/users/${id}`, { name: 'Renamed' });
  await browser.submit('/logout');
  const own = (await hub.owner.get(`/v1/audit-log?resourceId=${id}&limit=200`)).body.items;
  const actions = own.map(({ action }: { action: string }) => action);
  expect(actions.sort()).toEqual(
    [
      ...['membership.accept', 'membership.create', 'user.create', 'user.sign-in'],
      ...['user.sign-out', 'user.update'],
    ].sort(),
  );
  const key = hub.as((await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).secret);
  const tenants = (await key.get(`/v1/audit-log?resourceId=${id}`)).body.items;
  expect(tenants.map(({ action }: { action: string }) => action).sort()).toEqual([
    ...['membership.accept', 'membership.create', 'user.update'],
  ]);
  const [{ hash }] = (await sql`select password_hash as hash from users where id = ${id}`) as [
    { hash: string },
  ];
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(JSON.stringify(own)).not.toContain(hash);
  expect(email).toBeTruthy();
});

test('pages for people allow no foreign content, and show nothing that was entered as markup', async () => {
  const browser = visitor();
  const answer = await browser.submit('/login', {
    email: '"><script>x</script>',
    password: 'x',
    next: '//evil.example',
  });
  expect(answer.text).not.toContain('<script>');
  expect(answer.text).toContain('name="next" value="/"');
  const policy = answer.headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
});
