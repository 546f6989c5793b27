import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { verifierOf } from '../../contexts/secrets.ts';
import { narrate } from '../../infra/bin/explanation-text.ts';
import type { Explanation } from '../../spoke/explain/explainer.ts';
import { cacheWorld } from './support/cache-world.ts';
import {
  allOf,
  boundKeyContext,
  type Demo,
  gone,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from './support/contexts.ts';
import { gatewayWorld } from './support/gateway-world.ts';

const token = 'a-debug-token-of-thirty-two-or-more-characters';

async function ready(environment: Record<string, string> = { SPOKECAST_DEBUG_TOKEN: token }) {
  const world = await gatewayWorld({ initialised: true, environment });
  await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
  const demo = newDemo();
  await publish(world.store, ...allOf(demo, 1));
  const ask = (path: string, authorization = `Bearer ${token}`) =>
    fetch(`${world.url}/debug/agent-keys/${path}`, { headers: { authorization } });
  const explain = async ({ keyId }: Demo, query = '') =>
    (await (await ask(`${keyId}${query}`)).json()) as Explanation;
  return { ...world, demo, ask, explain };
}

const linksOf = ({ links }: Explanation) => links.map(({ link, says, code }) => [link, says, code]);

describe('an explanation', () => {
  test('tells each link of a key that is let in, and where it was learnt', async () => {
    await using world = await ready();
    await world.authenticate(world.demo.secret);
    const explanation = await world.explain(world.demo);
    expect(explanation.verdict).toMatchObject({ outcome: 'granted', code: 'GRANTED', status: 200 });
    expect(linksOf(explanation)).toEqual([
      ['agent-key', 'allows', null],
      ['tenant', 'allows', null],
      ['cluster', 'allows', null],
    ]);
    expect(explanation.links[0]).toMatchObject({
      key: world.demo.keyId,
      held: { state: 'fresh', source: 'store', epoch: 1, revision: 1, awaitedRevision: null, reading: null },
      facts: { status: 'active', expiresAt: null, permissions: ['produce', 'consume'] },
      stored: null,
    });
    expect(explanation.links[0]!.held.ageMs).toBeGreaterThanOrEqual(0);
    expect(explanation.region).toMatchObject({ id: 'eu-west-1', placement: 'here', feedWatermark: 1 });
    expect(explanation.gateway).toMatchObject({ id: world.gateway.id, build: 'test', status: 'ready' });
    expect(explanation.store).toEqual({ asked: false });
  });

  test('disturbs nothing: it neither reads, nor holds, nor counts as a use', async () => {
    await using world = await ready();
    world.store.resetCounts();
    const cold = await world.explain(world.demo);
    expect(cold.verdict).toMatchObject({ outcome: 'asks-store', code: null });
    expect(cold.links.map(({ held }) => held.state)).toEqual(['absent', 'absent', 'absent']);
    expect(world.store.count('read')).toBe(0);
    const asked = await world.explain(world.demo, '?store=true');
    expect(asked.verdict.outcome).toBe('asks-store'); // it still is: what was read was not kept
    expect(asked.store).toMatchObject({
      asked: true,
      answered: true,
      identity: { incarnation: 'inc-1', whole: true },
      verdict: { outcome: 'granted' },
    });
    expect(asked.links.map(({ stored }) => [stored?.compared, stored?.revision])).toEqual([
      ['held-nothing', 1],
      ['held-nothing', 1],
      ['held-nothing', 1],
    ]);
    expect(world.store.count('read')).toBe(2);
    expect(world.gateway.cache.stats()).toMatchObject({ entries: 0, negatives: 0, flights: 0 });
  });

  test('leaves the order of eviction as it is', async () => {
    await using world = await cacheWorld({ settings: { entriesMax: 2 } });
    const [one, two, three] = [newDemo(), newDemo(), newDemo()];
    for (const demo of [one, two, three]) await world.store.put(tenantContext(demo, 1));
    await world.ask('tenant', one.tenantId);
    await world.ask('tenant', two.tenantId);
    await world.clock.advance(2_000); // a use within a second of another counts as none
    expect(world.cache.inspect('tenant', one.tenantId)).toMatchObject({ state: 'fresh', source: 'store' });
    await world.ask('tenant', three.tenantId);
    expect(world.cache.inspect('tenant', one.tenantId).state).toBe('absent');
    expect(world.cache.inspect('tenant', two.tenantId).state).toBe('fresh');
  });

  test('names what refuses, and every link that does', async () => {
    await using world = await ready();
    const { demo } = world;
    await world.authenticate(demo.secret);
    await publish(world.store, tenantContext(demo, 2, { status: 'suspended' }));
    await vi.waitFor(async () => {
      const explanation = await world.explain(demo, '?store=true');
      expect(explanation.verdict).toMatchObject({
        outcome: 'refused',
        code: 'TENANT_SUSPENDED',
        status: 403,
      });
      expect(linksOf(explanation)[1]).toEqual(['tenant', 'refuses', 'TENANT_SUSPENDED']);
      expect(explanation.links[1]!.stored).toMatchObject({ compared: 'same', revision: 2 });
    });
    await publish(world.store, gone('agent-key', demo.keyId, 3));
    await vi.waitFor(async () => {
      const { verdict, links } = await world.explain(demo);
      expect(verdict).toMatchObject({ outcome: 'refused', code: 'NOT_FOUND', status: 401 });
      expect(verdict.why).toContain('revoked');
      expect(links[0]!.held).toMatchObject({ source: 'feed', revision: 3 });
      expect(links[1]).toMatchObject({ key: null, held: { state: 'absent' } });
    });
  });

  test('tells what came out of a snapshot, and leaves it there', async () => {
    await using world = await cacheWorld({ pin: false });
    const demo = newDemo();
    const { kind, key, version, bodyText } = tenantContext(demo, 7);
    const holding = { kind, key, version, bodyText, floor: undefined, suspect: false };
    const holdings = new Map([[`${kind}/${key}`, holding]]);
    world.cache.restore({ holdings, worth: 'recent', incarnation: 'inc-1' });
    const seen = () => world.cache.inspect('tenant', key);
    expect(seen()).toMatchObject({ state: 'suspect', source: 'snapshot', version, ageMs: undefined });
    expect(seen().lookup).toMatchObject({
      state: 'present',
      outcome: 'snapshot',
      value: { status: 'active' },
    });
    expect(world.peek('tenant', key)).toBe('snapshot');
    expect(seen()).toMatchObject({ state: 'suspect', source: 'snapshot', ageMs: 0 });
  });

  test('goes on without a store that does not answer, and says so', async () => {
    await using world = await ready();
    await world.authenticate(world.demo.secret);
    world.store.failNext('read', 1);
    const { verdict, store } = await world.explain(world.demo, '?store=true');
    expect(verdict.outcome).toBe('granted');
    expect(store).toMatchObject({ asked: true, answered: false, code: 'STORE_UNAVAILABLE' });
  });

  test('asks the store for one at a time', async () => {
    await using world = await ready();
    const gate = world.store.holdNext('read');
    const first = world.explain(world.demo, '?store=true');
    await gate.reached();
    const second = await world.ask(`${world.demo.keyId}?store=true`);
    expect([second.status, await second.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'OVERLOADED' }),
    ]);
    gate.open();
    expect((await first).store).toMatchObject({ answered: true });
  });

  test('is for those who show the token, and is not there without one', async () => {
    await using world = await ready();
    const { keyId, secret } = world.demo;
    for (const shown of [
      '',
      'Bearer ',
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      `Bearer ${secret}`,
    ]) {
      const answer = await world.ask(keyId, shown);
      expect([answer.status, await answer.json()]).toEqual([
        401,
        expect.objectContaining({ code: 'WRONG_TOKEN' }),
      ]);
    }
    const bad = await world.ask(encodeURIComponent(secret));
    expect([bad.status, await bad.json()]).toEqual([400, expect.objectContaining({ code: 'BAD_KEY_ID' })]);
    await using off = await ready({});
    expect((await off.ask(keyId)).status).toBe(404);
  });

  test('tells the bounds of a key, for no address in particular and for one', async () => {
    await using world = await ready();
    const { demo } = world;
    const endsAtMs = Date.UTC(2100, 0, 1);
    const verifiers = [
      { verifier: verifierOf('now'), endsAtMs: null },
      { verifier: verifierOf(demo.secret), endsAtMs },
      { verifier: verifierOf('before'), endsAtMs: 1 },
    ];
    const rateLimit = { limit: 2, windowMs: 86_400_000 };
    const allowedNetworks = ['127.0.0.0/8', '2001:db8::/32'];
    await publish(
      world.store,
      boundKeyContext(demo, 2, allowedNetworks, { verifiers, rateLimit, expiresAtMs: endsAtMs }),
    );
    expect((await world.authenticate(demo.secret)).status).toBe(200);
    const explanation = await world.explain(demo);
    expect(explanation).toMatchObject({ address: null, verdict: { outcome: 'granted' } });
    expect(explanation.verdict.why).toContain('in one of its networks');
    expect(explanation.links[0]!.facts).toMatchObject({
      expiresAt: '2100-01-01T00:00:00.000Z',
      networks: allowedNetworks,
      retiringSecrets: { count: 1, endsAt: ['2100-01-01T00:00:00.000Z'] },
      rateLimit: { ...rateLimit, remaining: 1 },
    });
    expect(await world.explain(demo, '?address=127.0.0.9')).toMatchObject({
      address: '127.0.0.9',
      verdict: { outcome: 'granted' },
    });
    const elsewhere = await world.explain(demo, '?address=192.0.2.7');
    expect(elsewhere.verdict).toMatchObject({ code: 'FORBIDDEN', status: 403 });
    expect(elsewhere.verdict.why).toContain('192.0.2.7');
    expect(linksOf(elsewhere)[0]).toEqual(['agent-key', 'refuses', 'FORBIDDEN']);

    const verdict = async (query: string) => (await world.explain(demo, query)).verdict.code;
    expect(await verdict('?require=produce')).toBe('GRANTED');
    expect(await verdict('?require=admin')).toBe('INSUFFICIENT_PERMISSIONS');
    expect(await verdict('?require=')).toBe('BAD_REQUIRE');
    expect((await world.authenticate(demo.secret)).status).toBe(200);
    for (let n = 0; n < 3; n++) expect(await verdict(''), 'asking costs nothing').toBe('RATE_LIMITED');
    expect((await world.explain(demo)).links[0]!.facts).toMatchObject({ rateLimit: { remaining: 0 } });

    const bad = await world.ask(`${demo.keyId}?address=here`);
    expect([bad.status, await bad.json()]).toEqual([400, expect.objectContaining({ code: 'BAD_ADDRESS' })]);
    const text = JSON.stringify(await world.explain(demo, '?store=true'));
    for (const { verifier } of verifiers) expect(text).not.toContain(verifier); // [law 10]
  });

  test('[law 10] tells neither the secret nor its verifier', async () => {
    await using world = await ready();
    await world.authenticate(world.demo.secret);
    const text = JSON.stringify(await world.explain(world.demo, '?store=true'));
    expect(text).toContain(world.demo.clusterId);
    expect(text).not.toContain(verifierOf(world.demo.secret));
    expect(text).not.toContain('verifier');
    expect(text).not.toContain('spk_');
    expect(text).not.toContain(token);
  });
});

describe('spokecast explain', () => {
  const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
  const spokecast = (args: readonly string[], env: Record<string, string> = {}) =>
    new Promise<{ exitCode: number; stdout: string; stderr: string }>((resolve) =>
      execFile(
        process.execPath,
        [bin, 'explain', ...args],
        { env: { PATH: process.env.PATH, SPOKECAST_DEBUG_TOKEN: token, ...env } },
        (error, stdout, stderr) =>
          resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      ),
    );

  test('tells people and programs, and scripts by its exit code', async () => {
    await using world = await ready();
    const { demo, url } = world;
    const cold = await spokecast([demo.keyId, '--gateway', url]);
    expect([cold.exitCode, cold.stdout]).toEqual([75, expect.stringContaining('would ask the store')]);
    const stored = await spokecast([demo.keyId, '--gateway', url, '--store']);
    expect(stored.exitCode).toBe(0);
    expect(stored.stdout).toContain('by the store alone: let in (200 GRANTED)');
    expect(stored.stdout).not.toContain('\u001b['); // no terminal
    const explanation = await world.explain(demo, '?store=true');
    expect(narrate(explanation, { colours: true })).toContain('\u001b[32mlet in\u001b[0m');
    expect(stripVTControlCharacters(narrate(explanation, { colours: true }))).toBe(
      narrate(explanation, { colours: false }),
    );
    const required = await spokecast([demo.keyId, '--gateway', url, '--store', '--require', 'admin']);
    expect(required.stdout).toContain('INSUFFICIENT_PERMISSIONS');
    await publish(world.store, keyContext(demo, 2, { status: 'disabled' }));
    await world.authenticate(demo.secret);
    const refused = await spokecast([demo.secret, '--json'], { SPOKECAST_GATEWAY_URL: url });
    expect([refused.exitCode, JSON.parse(refused.stdout).verdict.code]).toEqual([4, 'DISABLED']);
    expect(refused.stderr).toContain(`Only its id is sent: ${demo.keyId}`);
  });

  test('says what is wrong with what it was given', async () => {
    await using world = await ready({});
    const keyId = world.demo.keyId;
    const [noId, off, nobody, tokenless] = await Promise.all([
      spokecast(['aki_x']),
      spokecast([keyId, '--gateway', world.url]),
      spokecast([keyId, '--gateway', 'http://127.0.0.1:9']),
      spokecast([keyId], { SPOKECAST_DEBUG_TOKEN: '' }),
    ]);
    expect([noId.exitCode, off.exitCode, nobody.exitCode, tokenless.exitCode]).toEqual([64, 77, 69, 78]);
    expect(off.stderr).toContain('was started without SPOKECAST_DEBUG_TOKEN');
    expect(nobody.stderr).toContain('does not answer');
    expect(tokenless.stderr).toContain('SPOKECAST_DEBUG_TOKEN_FILE');
    for (const { stdout, stderr } of [noId, off, nobody]) expect(stdout + stderr).not.toContain(token);
  });
});
