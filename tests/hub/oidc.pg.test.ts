import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from './support/hub.ts';
import { client, startProvider, type TestProvider } from './support/provider.ts';
import * as make from './support/things.ts';
import { goodPassword, Visitor } from './support/visitor.ts';

let provider: TestProvider;
let hub: TestHub;
let sql: postgres.Sql;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  provider = stack.use(await startProvider());
  hub = await startHubAt(provider.issuer);
  sql = postgres(hub.databaseUrl, { max: 1 });
  stack.defer(() => sql.end());
});
afterAll(() => stack.disposeAsync());

async function startHubAt(issuer: string, more: Record<string, string> = {}): Promise<TestHub> {
  const started = stack.use(
    await startHub({
      environment: {
        SPOKECAST_OIDC_ISSUER: issuer,
        SPOKECAST_OIDC_CLIENT_ID: client.id,
        SPOKECAST_OIDC_CLIENT_SECRET: client.secret,
        SPOKECAST_OIDC_DOMAINS: 'example.com',
        SPOKECAST_OIDC_NEW_PEOPLE: 'platform:viewer',
        ...more,
      },
    }),
  );
  provider.redirectUris.push(`${started.url}/login/oidc/callback`);
  return started;
}

let count = 0;
/** Somebody the provider knows. */
function somebody(more: object = {}): { subject: string; email: string } {
  const subject = `subject-${++count}`;
  const email = `oidc-${count}@example.com`;
  provider.accounts.set(subject, { email, email_verified: true, name: `Person ${count}`, ...more });
  return { subject, email };
}

/** What the hub answers to who comes back from the provider as that person. */
async function goThere(browser: Visitor, subject: string, query = ''): ReturnType<Visitor['open']> {
  const sent = await browser.open(`/login/oidc${query}`);
  expect(sent.status).toBe(303);
  return back(browser, await provider.signIn(sent.location!, subject));
}

function back(browser: Visitor, url: string): ReturnType<Visitor['open']> {
  const { pathname, search } = new URL(url);
  // As a browser says of a link on another site.
  return browser.send('GET', pathname + search, undefined, { 'sec-fetch-site': 'cross-site' });
}

const visitor = () => new Visitor(hub.url);
/** Where the page that begins linking leads. */
const onwardFrom = (page: string) => /href="([^"]+\/auth\?[^"]*)"/.exec(page)![1]!.replaceAll('&amp;', '&');
const query = (link: string) => `?invitation=${new URL(link).searchParams.get('token')}`;

describe('signing in at a provider', () => {
  test('lets in who is unknown as configured, and the same person again', async () => {
    const { subject, email } = somebody();
    const browser = visitor();
    expect((await goThere(browser, subject, '?next=/account')).location).toBe('/account');
    const [user] = (await hub.owner.get(`/v1/users?email=${email}`)).body.items;
    expect(user).toMatchObject({
      status: 'active',
      memberships: [{ tenantId: null, role: 'viewer', status: 'active' }],
    });
    // Under another address the next day: it is the subject that counts.
    provider.accounts.set(subject, { email: 'renamed@example.com', email_verified: true });
    const again = visitor();
    await goThere(again, subject);
    expect((await again.open('/account')).text).toContain(email);
    expect(JSON.stringify((await hub.owner.get(`/v1/audit-log?resourceId=${user.id}`)).body)).not.toContain(
      subject,
    );
  });

  test('sends state, nonce and a PKCE challenge, none of which opens anything', async () => {
    const browser = visitor();
    const url = new URL((await browser.open('/login/oidc')).location!);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: client.id,
      code_challenge_method: 'S256',
      redirect_uri: `${hub.url}/login/oidc/callback`,
    });
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(url.searchParams.get(name)).toMatch(/^[\w-]{43}$/);
      expect(browser.cookie).not.toContain(url.searchParams.get(name)!);
    }
  });

  test.each([
    ['not verified', { email_verified: false }],
    ['absent', { email: undefined }],
    ['of another domain', { email: 'x@elsewhere.example' }],
  ])('refuses an address that is %s', async (_, claims) => {
    const browser = visitor();
    const answer = await goThere(browser, somebody(claims).subject);
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('domain')]);
    expect(browser.cookies.size).toBeLessThanOrEqual(1);
  });

  test('never opens an account by its address', async () => {
    const { subject, email } = somebody();
    const { link } = await make.user(hub.owner, [{ tenantId: null, role: 'owner' }], email);
    const unused = await goThere(visitor(), subject);
    expect([unused.status, unused.text]).toEqual([403, expect.stringContaining('account with this address')]);
    await visitor().follow(link, { name: 'x', password: goodPassword });
    expect((await goThere(visitor(), subject)).status).toBe(403);
    expect(await sql`select from identities where subject = ${subject}`).toHaveLength(0);
  });

  test('is said no to there, or here where the person is disabled', async () => {
    const sent = await visitor().open('/login/oidc');
    const browser = visitor();
    const own = await browser.open('/login/oidc');
    const declined = await back(browser, await provider.signIn(own.location!, 'declines'));
    expect([declined.status, declined.text]).toEqual([403, expect.stringContaining('access_denied')]);
    expect(sent.status).toBe(303);

    const { subject, email } = somebody();
    await goThere(visitor(), subject);
    const [user] = (await hub.owner.get(`/v1/users?email=${email}`)).body.items;
    await hub.owner.patch(`/v1/users/${user.id}`, { status: 'disabled' });
    expect((await goThere(visitor(), subject)).text).toContain('disabled');
  });
});

describe('an answer of the provider', () => {
  test('is good in the browser that asked, once', async () => {
    const { subject } = somebody();
    const [browser, thief] = [visitor(), visitor()];
    const sent = await browser.open('/login/oidc');
    const answered = await provider.signIn(sent.location!, subject);
    expect((await back(thief, answered)).status).toBe(400);
    await thief.open('/login/oidc');
    expect((await back(thief, answered)).status).toBe(400);
    const again = visitor();
    for (const [name, value] of browser.cookies) again.cookies.set(name, value);
    expect((await back(browser, answered)).status).toBe(303);
    // The code is used up, also for who has copied the cookie.
    expect((await back(again, answered)).status).toBe(400);
  });

  test('is taken to the provider a few times only for who makes them up, and never with another state', async () => {
    const limited = await startHubAt(provider.issuer, { SPOKECAST_FAILED_LOGINS_MAX: '3' });
    const browser = new Visitor(limited.url);
    const state = new URL((await browser.open('/login/oidc')).location!).searchParams.get('state')!;
    const madeUp = (state: string) =>
      `${limited.url}/login/oidc/callback?${new URLSearchParams({ code: 'made-up', state, iss: provider.issuer })}`;
    const before = provider.tokenRequests();
    expect((await back(browser, madeUp('A'.repeat(43)))).status).toBe(400);
    expect(provider.tokenRequests() - before).toBe(0);
    const statuses: (number | undefined)[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await back(browser, madeUp(state))).status);
    expect(statuses).toEqual([400, 400, 429, 429]);
    expect(provider.tokenRequests() - before).toBe(2);
  });

  test('that is not signed for this flow is refused', async () => {
    const { subject } = somebody();
    const browser = visitor();
    const sent = new URL((await browser.open('/login/oidc')).location!);
    sent.searchParams.set('nonce', 'A'.repeat(43));
    expect((await back(browser, await provider.signIn(sent.href, subject))).status).toBe(502);
    const other = new URL((await browser.open('/login/oidc')).location!);
    other.searchParams.set('code_challenge', 'A'.repeat(43));
    expect((await back(browser, await provider.signIn(other.href, subject))).status).toBe(400);
  });
});

describe('an invitation', () => {
  test('gives an account its identity instead of a password', async () => {
    const { subject } = somebody();
    const { id, link } = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }]);
    const browser = visitor();
    expect((await browser.open(link.slice(hub.url.length))).text).toContain('Continue with single sign-on');
    expect((await goThere(browser, subject, query(link))).location).toBe('/');
    expect((await browser.api('GET', '/v1/sweeps')).status).toBe(200);
    expect((await goThere(visitor(), subject, query(link))).status).toBe(410);
    expect(await sql`select user_id from identities where subject = ${subject}`).toEqual([{ user_id: id }]);
    // The next one is accepted by the same identity, and by no other.
    const tenant = await make.tenant(hub.owner);
    await hub.owner.patch(`/v1/users/${id}`, {
      memberships: [{ role: 'admin' }, { tenantId: tenant, role: 'owner' }],
    });
    const more = (await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' })).body.secret;
    expect((await goThere(visitor(), somebody().subject, query(more))).status).toBe(403);
    expect((await goThere(visitor(), subject, query(more))).status).toBe(303);
  });

  test('is accepted from its own page alone: a link elsewhere would make the visitor somebody', async () => {
    const { subject } = somebody();
    const { id, link } = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    const visited = visitor();
    visited.headers = { 'sec-fetch-site': 'cross-site' };
    expect((await visited.open(`/login/oidc${query(link)}`)).status).toBe(403);
    expect(visited.cookies.size).toBe(0);
    expect((await visited.open('/login/oidc')).status).toBe(303);
    expect((await hub.owner.get(`/v1/users/${id}`)).body.status).toBe('invited');
    expect((await goThere(visitor(), subject, query(link))).status).toBe(303);
  });

  test('gives an account that is in use no other identity', async () => {
    const { id, link } = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }]);
    await visitor().follow(link, { name: 'x', password: goodPassword });
    const tenant = await make.tenant(hub.owner);
    await hub.owner.patch(`/v1/users/${id}`, {
      memberships: [{ role: 'admin' }, { tenantId: tenant, role: 'owner' }],
    });
    const more = (await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'invitation' })).body.secret;
    expect((await goThere(visitor(), somebody().subject, query(more))).text).toContain('Your account');
    expect(await sql`select from identities where user_id = ${id}`).toHaveLength(0);
  });
});

test('who is signed in gives the account an identity, by a form of ours alone', async () => {
  const { id, link } = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }]);
  const browser = visitor();
  await browser.follow(link, { name: 'x', password: goodPassword });
  browser.headers = { 'sec-fetch-site': 'cross-site' };
  const present = { present: goodPassword };
  expect((await browser.submit('/account/oidc', present)).status).toBe(403);
  browser.headers = { 'sec-fetch-site': 'same-origin' };
  expect((await browser.open('/account')).text).toContain('id="present-to-link"');
  for (const form of [{}, { present: 'found the browser open' }] as Record<string, string>[]) {
    const refused = await browser.submit('/account/oidc', form);
    expect([refused.status, refused.text.includes('The present password is wrong')]).toEqual([401, true]);
  }
  const page = await browser.submit('/account/oidc', present);
  const { subject } = somebody();
  // Put into another browser that is signed in, what this one keeps links nothing there.
  const other = await make.user(hub.owner, [{ tenantId: null, role: 'admin' }]);
  const victim = visitor();
  await victim.follow(other.link, { name: 'x', password: goodPassword });
  for (const [name, value] of browser.cookies) if (name.endsWith('-oidc')) victim.cookies.set(name, value);
  expect((await back(victim, await provider.signIn(onwardFrom(page.text), subject))).status).toBe(400);

  const again = await browser.submit('/account/oidc', present);
  const answered = await provider.signIn(onwardFrom(again.text), subject);
  expect((await back(browser, answered)).location).toBe('/account');
  expect(await sql`select user_id from identities where subject = ${subject}`).toEqual([{ user_id: id }]);
  expect((await goThere(visitor(), subject)).status).toBe(303);
  expect((await browser.open('/account')).text).toContain('With single sign-on');
});

test('who has no password gives the account another identity only after a sign-in of lately', async () => {
  const { subject, email } = somebody();
  const browser = visitor();
  await goThere(browser, subject);
  const [{ id }] = (await hub.owner.get(`/v1/users?email=${email}`)).body.items;
  expect((await browser.submit('/account/oidc')).status).toBe(200);
  await sql`update sessions set created_at = created_at - interval '11 minutes' where user_id = ${id}`;
  const refused = await browser.submit('/account/oidc');
  expect([refused.status, refused.text.includes('You signed in a while ago')]).toEqual([401, true]);
  await goThere(browser, subject);
  expect((await browser.submit('/account/oidc')).status).toBe(200);
  const password = { present: '', password: goodPassword };
  expect((await browser.submit('/account/password', password)).status, 'nor a password by this').toBe(401);
});

test('a link to a new password leaves no other way in: who took the account by an identity has lost it', async () => {
  const tenant = await make.tenant(hub.owner);
  const intruder = hub.as((await make.applicationKey(hub.owner, { role: 'owner', tenantId: tenant })).secret);
  // Somebody who owns a tenant invites a stranger's address, and takes the account with an identity of his own ...
  const { email } = somebody();
  const { id, link } = await make.user(intruder, [{ role: 'viewer' }], email);
  const own = somebody().subject;
  expect((await goThere(visitor(), own, query(link))).status).toBe(303);
  // ... until the platform invites her, and helps her into the account.
  const invited = await make.user(hub.owner, [{ tenantId: null, role: 'owner' }], email);
  const reset = await hub.owner.post(`/v1/users/${id}/links`, { purpose: 'password-reset' });
  const victim = visitor();
  expect((await victim.follow(reset.body.secret, { password: goodPassword })).status).toBe(303);
  expect((await victim.follow(invited.link, {})).status).toBe(303);
  const impostor = visitor();
  await goThere(impostor, own);
  const page = await impostor.open('/account');
  expect([page.status, page.text]).toEqual([200, expect.not.stringContaining(email)]);
  const log = (await hub.owner.get(`/v1/audit-log?resourceId=${id}&action=user.unlink-identity`)).body.items;
  expect(log).toMatchObject([{ before: { issuer: provider.issuer } }]);
  expect((await victim.api('GET', '/v1/sweeps')).status).toBe(200);
});

test('a provider that is gone, or calls itself otherwise, takes nothing else with it', async () => {
  await using gone = await startHubAt('http://127.0.0.1:9');
  const browser = new Visitor(gone.url);
  const answer = await browser.open('/login/oidc');
  expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('sign in with a password')]);
  expect((await browser.open('/login')).status).toBe(200);
  await using misnamed = await startHubAt(provider.issuer.replace('127.0.0.1', 'localhost'));
  expect((await new Visitor(misnamed.url).open('/login/oidc')).status).toBe(502);
});
