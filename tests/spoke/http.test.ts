import { describe, expect, test, vi } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { importedKeyId, newSecret, verifierOf } from '../../contexts/secrets.ts';
import {
  allOf,
  boundKeyContext,
  clusterContext,
  type Demo,
  gone,
  initialise,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from './support/contexts.ts';
import { gatewayWorld } from './support/gateway-world.ts';
import { send, startUpstream } from './support/upstream.ts';

async function ready(environment: Record<string, string> = {}) {
  const world = await gatewayWorld({ initialised: true, environment });
  await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'));
  const demo = newDemo();
  await publish(world.store, ...allOf(demo, 1));
  return { ...world, demo };
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('imported keys', () => {
  const secret = 'made-elsewhere-0123456789';
  const imported = (demo: Demo): Demo => ({ ...demo, keyId: importedKeyId(verifierOf(secret)), secret });

  test('are let in by the secret that the agent has, however it is shown, and forwarded without it', async () => {
    await using world = await ready({ SPOKECAST_IMPORTED_KEYS: 'looked-up' });
    const seen: string[][] = [];
    await using upstream = await startUpstream((incoming, outgoing) => {
      seen.push(incoming.rawHeaders);
      outgoing.end();
    });
    const demo = imported(world.demo);
    await publish(world.store, clusterContext(demo, 2, { upstreamUrl: upstream.url }), keyContext(demo, 1));
    const ways: Record<string, string>[] = [
      { authorization: `Bearer ${secret}` },
      { authorization: basic('anyone', secret) },
      { 'spokecast-agent-key': secret },
      { 'spokecast-agent-key': secret, authorization: `Bearer ${secret}` },
    ];
    for (const headers of ways) {
      const response = await fetch(`${world.url}/v1/authenticate`, { headers });
      expect(await response.json(), JSON.stringify(headers)).toMatchObject({ keyId: demo.keyId });
      const forwarded = await send(world.url, { path: `/v1/clusters/${demo.clusterId}/x`, headers });
      expect(forwarded.status).toBe(200);
      expect(JSON.stringify(seen.at(-1))).toContain(demo.keyId);
      expect(JSON.stringify(seen.at(-1))).not.toContain(secret);
    }
  });

  test('are looked up nowhere else: others are unknown, typing errors malformed, and a revocation is a 401', async () => {
    await using world = await ready({ SPOKECAST_IMPORTED_KEYS: 'looked-up' });
    const demo = imported(world.demo);
    await publish(world.store, keyContext(demo, 1));
    const code = async (shown: string) =>
      ((await (await world.authenticate(shown)).json()) as { code?: string }).code;
    expect(await code(`${secret}x`)).toBe('NOT_FOUND');
    expect(await code(`spk_${secret}`)).toBe('MALFORMED');
    expect(await code('short')).toBe('MALFORMED');
    const ours = newSecret('agentKey', demo.keyId, systemRandom);
    expect(await code(ours), 'its id is no secret').toBe('NOT_FOUND');
    expect(await code(secret)).toBeUndefined();
    await publish(world.store, gone('agent-key', demo.keyId, 2));
    await vi.waitFor(async () => expect(await code(secret)).toBe('NOT_FOUND'), { timeout: 30_000 });
  });

  test('are refused without a look-up where nothing is said of them', async () => {
    await using world = await ready();
    await publish(world.store, keyContext(imported(world.demo), 1));
    world.store.resetCounts();
    expect(await (await world.authenticate(secret)).json()).toMatchObject({ status: 401, code: 'MALFORMED' });
    expect(
      world.gateway.cache.inspect('agent-key', importedKeyId(verifierOf(secret))).lookup,
    ).toBeUndefined();
  });
});

describe('credentials', () => {
  test('are taken as a bearer token, as a password and as a header of ours', async () => {
    await using world = await ready();
    const { secret } = world.demo;
    const ways: Record<string, string>[] = [
      { authorization: `Bearer ${secret}` },
      { authorization: `bearer  ${secret}` },
      { authorization: basic('anyone', secret) },
      { authorization: basic('', secret) },
      { 'spokecast-agent-key': secret },
      { 'spokecast-agent-key': secret, authorization: 'Bearer of-the-upstream' },
    ];
    for (const headers of ways) {
      const response = await fetch(`${world.url}/v1/authenticate`, { headers });
      expect(response.status, JSON.stringify(Object.keys(headers))).toBe(200);
    }
  });

  test.each([
    ['none', {}, 'NO_CREDENTIAL'],
    ['an empty bearer', { authorization: 'Bearer' }, 'MALFORMED'],
    ['another scheme', { authorization: 'Digest abc' }, 'MALFORMED'],
    ['no key', { authorization: 'Bearer nonsense' }, 'MALFORMED'],
    ['basic without a colon', { authorization: `Basic ${btoa('x')}` }, 'MALFORMED'],
    ['basic that is not base64', { authorization: 'Basic %%%' }, 'MALFORMED'],
    ['an empty header', { 'spokecast-agent-key': '' }, 'MALFORMED'],
    [
      'a wrong checksum',
      { authorization: `Bearer spk_${'0'.repeat(26)}_${'A'.repeat(43)}_00000000` },
      'MALFORMED',
    ],
    [
      "an application key's form",
      { authorization: `Bearer ${newSecret('applicationKey', `apk_${'0'.repeat(26)}`, systemRandom)}` },
      'MALFORMED',
    ],
  ])('%s: 401', async (_name, headers, code) => {
    await using world = await ready();
    const response = await fetch(`${world.url}/v1/authenticate`, {
      headers: headers as Record<string, string>,
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer realm="spokecast"');
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ status: 401, code });
  });
});

describe('/v1/authenticate', () => {
  test('answers who it is, in body and headers, for any method and any path below', async () => {
    await using world = await ready();
    const { tenantId, clusterId, keyId, secret } = world.demo;
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      for (const path of ['', '/', '/deep/er?x=1']) {
        const response = await fetch(`${world.url}/v1/authenticate${path}`, {
          method,
          headers: { authorization: `Bearer ${secret}` },
          ...(method === 'POST' ? { body: 'some body that nobody reads' } : {}),
        });
        expect(response.status, `${method} ${path}`).toBe(200);
        expect(await response.json()).toEqual({
          tenantId,
          clusterId,
          clusterName: 'orders',
          keyId,
          permissions: ['produce', 'consume'],
          region: 'eu-west-1',
        });
        expect(response.headers.get('spokecast-tenant-id')).toBe(tenantId);
        expect(response.headers.get('spokecast-cluster-id')).toBe(clusterId);
        expect(response.headers.get('spokecast-key-id')).toBe(keyId);
        expect(response.headers.get('cache-control')).toBe('no-store');
      }
    }
    const head = await fetch(`${world.url}/v1/authenticate`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${secret}` },
    });
    expect([head.status, await head.text(), head.headers.get('spokecast-key-id')]).toEqual([200, '', keyId]);
  });

  test("resolves nothing in an agent's path that a proxy put below: it leads to no other route", async () => {
    await using world = await ready();
    const paths = [
      '/../../healthz',
      '/secret/../../../metrics',
      '/%2e%2e/%2e%2e/readyz',
      '/a/../b',
      '\\..\\..\\x',
    ];
    for (const below of paths) {
      const path = `/v1/authenticate${below}`;
      expect((await send(world.url, { path })).json(), path).toMatchObject({ code: 'NO_CREDENTIAL' });
      const headers = { authorization: `Bearer ${world.demo.secret}` };
      expect((await send(world.url, { path, headers })).status, path).toBe(200);
    }
    expect((await send(world.url, { path: '/v1/authenticated' })).status).toBe(404);
  });

  test('two credentials are none, on every path', async () => {
    await using world = await ready();
    const { secret, clusterId } = world.demo;
    for (const path of ['/v1/authenticate', `/v1/clusters/${clusterId}/x`]) {
      for (const other of ['Bearer nonsense', `Bearer ${secret}`]) {
        const headers = { authorization: [`Bearer ${secret}`, other] };
        expect((await send(world.url, { path, headers })).json(), path).toMatchObject({ code: 'MALFORMED' });
      }
    }
  });

  test('the state of each context decides, as soon as it is announced', async () => {
    await using world = await ready();
    const { demo } = world;
    const stranger = newSecret('agentKey', demo.keyId, systemRandom);
    const states: [
      name: string,
      change: Parameters<typeof publish>[1],
      status: number,
      code: string | undefined,
    ][] = [
      ['disabled', keyContext(demo, 2, { status: 'disabled' }), 403, 'DISABLED'],
      ['expired', keyContext(demo, 3, { expiresAtMs: 1 }), 401, 'EXPIRED'],
      ['active again', keyContext(demo, 4), 200, undefined],
      ['suspended', tenantContext(demo, 5, { status: 'suspended' }), 403, 'TENANT_SUSPENDED'],
      ['reactivated', tenantContext(demo, 6), 200, undefined],
      ['cluster disabled', clusterContext(demo, 7, { status: 'disabled' }), 403, 'CLUSTER_DISABLED'],
      ['cluster renamed', clusterContext(demo, 8, { name: 'renamed' }), 200, undefined],
      ['cluster gone', gone('cluster', demo.clusterId, 9), 503, 'DANGLING'],
      ['cluster back', clusterContext(demo, 10), 200, undefined],
      ['tenant gone', gone('tenant', demo.tenantId, 11), 503, 'DANGLING'],
      ['revoked', gone('agent-key', demo.keyId, 12), 401, 'NOT_FOUND'],
    ];
    for (const [name, change, status, code] of states) {
      await publish(world.store, change);
      await vi.waitFor(async () => {
        const response = await world.authenticate(demo.secret);
        expect(response.status, name).toBe(status);
        const body = (await response.json()) as { code?: string; clusterName?: string };
        expect(body.code).toBe(code);
        if (name === 'cluster renamed') expect(body.clusterName).toBe('renamed');
        if (status === 503) expect(response.headers.get('retry-after')).toBe('1');
      });
      const told = (await (await world.authenticate(stranger)).json()) as { code: string };
      expect(told.code, `a wrong secret while ${name}`).toBe('NOT_FOUND');
    }
  });

  test('[law 6] works for a key that was asked for before it existed', async () => {
    await using world = await ready();
    const demo = newDemo();
    expect((await world.authenticate(demo.secret)).status).toBe(401);
    await publish(world.store, ...allOf(demo, 1));
    await vi.waitFor(async () => expect((await world.authenticate(demo.secret)).status).toBe(200), {
      timeout: 30_000,
    });
  });

  test('is answered in memory, synchronously', async () => {
    await using world = await ready();
    await world.authenticate(world.demo.secret);
    world.store.resetCounts();
    const decision = world.gateway.authenticator.authenticate({
      authorization: `Bearer ${world.demo.secret}`,
      agentKey: undefined,
      clusterId: undefined,
    });
    expect(decision).not.toBeInstanceOf(Promise);
    expect(world.store.count('read')).toBe(0);
  });

  test('[law 10] no secret stands in metrics or answers', async () => {
    await using world = await ready();
    const { secret } = world.demo;
    const stranger = newSecret('agentKey', world.demo.keyId, systemRandom);
    const texts = [
      await (await world.authenticate(secret)).text(),
      await (await world.authenticate(stranger)).text(),
    ];
    texts.push(await (await fetch(`${world.url}/metrics`)).text());
    for (const text of texts) {
      expect(text).not.toContain(secret.slice(32, 60));
      expect(text).not.toContain(stranger.slice(32, 60));
    }
  });
});

describe('health', () => {
  test('is not ready until it has seen its table, and says why', async () => {
    await using world = await gatewayWorld();
    const before = await fetch(`${world.url}/readyz`);
    expect(before.status).toBe(503);
    expect(await before.json()).toMatchObject({ status: 'not-ready', reasons: [expect.any(String)] });
    const demo = newDemo();
    expect((await world.authenticate(demo.secret)).status).toBe(503);
    expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
    await initialise(world.store);
    await vi.waitFor(async () => expect((await fetch(`${world.url}/readyz`)).status).toBe(200), {
      timeout: 30_000,
    });
  });

  test('[law 7] stays 200 while the store is gone, marked degraded, and answers go on', async () => {
    await using world = await ready();
    expect((await world.authenticate(world.demo.secret)).status).toBe(200);
    const end = world.store.outage();
    await vi.waitFor(async () => {
      const response = await fetch(`${world.url}/readyz`);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: 'degraded' });
    });
    expect((await world.authenticate(world.demo.secret)).status).toBe(200);
    const unknown = await world.authenticate(newDemo().secret);
    expect(unknown.status).toBe(503);
    expect(await unknown.json()).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await (await fetch(`${world.url}/metrics`)).text()).toMatch(
      /spokecast_degraded\{region="eu-west-1"\} 1/,
    );
    end();
    await vi.waitFor(
      async () =>
        expect(await (await fetch(`${world.url}/readyz`)).json()).toMatchObject({ status: 'ready' }),
      {
        timeout: 30_000,
      },
    );
  });

  test('a table that is not whole denies nobody', async () => {
    await using world = await gatewayWorld();
    await initialise(world.store, { whole: false });
    await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
    const demo = newDemo();
    const unknown = await world.authenticate(demo.secret);
    expect(unknown.status).toBe(503);
    expect(await unknown.json()).toMatchObject({ code: 'NOT_WHOLE' });
    await publish(world.store, ...allOf(demo, 1));
    await vi.waitFor(async () => expect((await world.authenticate(demo.secret)).status).toBe(200));
  });

  test("refuses another region's table", async () => {
    await using world = await gatewayWorld();
    const refused = world.gateway.identified.then(
      () => 'identified',
      (error: Error) => error.message,
    );
    await initialise(world.store, { region: 'us-east-1' });
    expect(await refused).toContain('region is "us-east-1", not "eu-west-1"');
    expect((await fetch(`${world.url}/readyz`)).status).toBe(503);
  });

  test('metrics name decisions, cache outcomes and ages', async () => {
    await using world = await ready();
    await world.authenticate(world.demo.secret);
    await world.authenticate(world.demo.secret);
    await vi.waitFor(() => expect(world.gateway.tail.watermark).toBe(1));
    const text = await (await fetch(`${world.url}/metrics`)).text();
    expect(text).toContain(
      'spokecast_decisions_total{route="authenticate",code="GRANTED",region="eu-west-1"} 2',
    );
    expect(text).toContain(
      'spokecast_cache_lookups_total{kind="agent-key",outcome="hit",region="eu-west-1"} 1',
    );
    expect(text).toContain(
      'spokecast_cache_lookups_total{kind="agent-key",outcome="filled",region="eu-west-1"} 1',
    );
    expect(text).toMatch(/spokecast_feed_watermark\{.*\} 1\n/);
    expect(text).toMatch(/spokecast_loop_age_seconds\{loop="feed-tail",.*\} 0\.\d+/);
    expect(text).toMatch(/spokecast_request_duration_seconds_count\{route="authenticate",.*\} 2/);
    expect(text).toMatch(/spokecast_cache_entries\{.*\} 3\n/);
  });

  test('reports itself to the store', async () => {
    const world = await gatewayWorld({ environment: { SPOKECAST_STATUS_EVERY_MS: '100' } });
    await initialise(world.store);
    await vi.waitFor(async () => {
      const [status] = await world.store.listGateways(Date.now());
      expect(status).toMatchObject({
        id: world.gateway.id,
        region: 'eu-west-1',
        build: 'test',
        degraded: false,
      });
    });
    await world[Symbol.asyncDispose]();
  });

  test('unknown routes are problem documents', async () => {
    await using world = await ready();
    const response = await fetch(`${world.url}/nothing`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'NO_SUCH_ROUTE' });
  });
});

describe('networks of a key', () => {
  const from = (address: string, secret: string) => ({
    authorization: `Bearer ${secret}`,
    'x-forwarded-for': address,
  });

  test('are held against the client, as trusted proxies tell it, on every path', async () => {
    await using world = await ready();
    const { demo, url } = world;
    await publish(world.store, boundKeyContext(demo, 2, ['203.0.113.0/24', '2001:db8::/32']));
    const ask = (path: string, address: string, secret = demo.secret) =>
      send(url, { path, headers: from(address, secret) });
    await vi.waitFor(async () => expect((await ask('/v1/authenticate', '192.0.2.1')).status).toBe(403), {
      timeout: 30_000,
    });
    for (const address of ['203.0.113.9', '::ffff:203.0.113.9', '2001:db8::7', '10.0.0.1, 203.0.113.9'])
      expect((await ask('/v1/authenticate', address)).status, address).toBe(200);
    for (const address of ['192.0.2.1', '203.0.113.9, 192.0.2.1', 'unknown', '2001:db9::7']) {
      const refused = await ask('/v1/authenticate', address);
      expect([refused.status, refused.json().code], address).toEqual([403, 'FORBIDDEN']);
      const forwardAuth = await ask('/v1/forward-auth/x', address);
      expect([forwardAuth.status, forwardAuth.headers['spokecast-code']]).toEqual([403, 'FORBIDDEN']);
      expect((await ask(`/v1/clusters/${demo.clusterId}/x`, address)).json().code).toBe('FORBIDDEN');
    }
    expect((await ask('/v1/authenticate', '192.0.2.1')).json().detail).toContain('192.0.2.1');
    const stranger = newSecret('agentKey', demo.keyId, systemRandom);
    expect(
      (await ask('/v1/authenticate', '192.0.2.1', stranger)).json().code,
      'strangers learn nothing',
    ).toBe('NOT_FOUND');
  });

  test('are held against the peer where no proxy is trusted, whatever it claims', async () => {
    await using world = await gatewayWorld({
      initialised: true,
      environment: { SPOKECAST_TRUSTED_PROXIES: 'none' },
    });
    const [near, far] = [newDemo(), newDemo()];
    await publish(world.store, ...allOf(near, 1), ...allOf(far, 1));
    await publish(world.store, boundKeyContext(near, 2, ['127.0.0.0/8']), boundKeyContext(far, 2, ['::/0']));
    const ask = async ({ secret }: { secret: string }) =>
      (await send(world.url, { path: '/v1/authenticate', headers: from('2001:db8::1', secret) })).status;
    await vi.waitFor(async () => expect([await ask(near), await ask(far)]).toEqual([200, 403]), {
      timeout: 30_000,
    });
  });
});

describe('the rate limit of a key', () => {
  const limited = { rateLimit: { limit: 3, windowMs: 86_400_000 } };

  test('is counted over all paths, said in headers, and refused with 429 and when to come again', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => outgoing.end('served'));
    await using world = await ready();
    const { demo, url } = world;
    await publish(
      world.store,
      clusterContext(demo, 2, { upstreamUrl: upstream.url }),
      keyContext(demo, 2, limited),
    );
    const ask = (path: string) => send(url, { path, headers: { authorization: `Bearer ${demo.secret}` } });
    const first = await vi.waitFor(
      async () => {
        const answer = await ask('/v1/authenticate');
        expect(answer.headers).toHaveProperty('ratelimit');
        return answer;
      },
      { timeout: 30_000 },
    );
    const { ratelimit, 'ratelimit-policy': policy } = first.headers;
    expect([first.status, policy]).toEqual([200, '"agent-key";q=3;w=86400']);
    expect(ratelimit).toMatch(/^"agent-key";r=2;t=28800$/);
    expect((await ask('/v1/authenticate?require=admin')).status, 'what is refused costs nothing').toBe(403);
    const stranger = newSecret('agentKey', demo.keyId, systemRandom);
    await world.authenticate(stranger);
    const served = await ask(`/v1/clusters/${demo.clusterId}/x`);
    expect([served.text, served.headers.ratelimit]).toEqual(['served', expect.stringContaining(';r=1;')]);
    expect((await ask('/v1/forward-auth')).headers.ratelimit).toContain(';r=0;');

    for (const path of ['/v1/authenticate', `/v1/clusters/${demo.clusterId}/x`]) {
      const refused = await ask(path);
      expect([refused.status, refused.json().code], path).toEqual([429, 'RATE_LIMITED']);
      const seconds = Number(refused.headers['retry-after']);
      expect(seconds).toBeGreaterThan(28_000);
      expect(refused.headers.ratelimit).toBe(`"agent-key";r=0;t=${seconds}`);
    }
    const narrowed = await ask('/v1/forward-auth');
    const { 'spokecast-status': status, 'spokecast-code': code } = narrowed.headers;
    expect([narrowed.status, status, code]).toEqual([403, '429', 'RATE_LIMITED']);
    expect(narrowed.headers['retry-after']).toMatch(/^28\d\d\d$/);
  });

  test('is not counted for what is under way, nor where there is none', async () => {
    await using world = await ready();
    const { demo } = world;
    expect((await world.authenticate(demo.secret)).headers.get('ratelimit')).toBeNull();
    await publish(world.store, keyContext(demo, 2, limited));
    const ask = () => world.authenticate(demo.secret);
    await vi.waitFor(async () => expect((await ask()).headers.get('ratelimit')).toContain(';r=2;'), {
      timeout: 30_000,
    });
    const letIn = { keyId: demo.keyId, verifier: verifierOf(demo.secret), from: undefined };
    for (let times = 0; times < 10; times++)
      expect(await world.gateway.authenticator.reconsider(letIn)).toMatchObject({ outcome: 'granted' });
    expect((await ask()).headers.get('ratelimit')).toContain(';r=1;');
    // Read again, it is the same key: the count stays.
    await publish(world.store, keyContext(demo, 3, { ...limited, permissions: ['again'] }));
    await vi.waitFor(
      async () => {
        const path = '/v1/authenticate?require=again';
        const headers = { authorization: `Bearer ${demo.secret}` };
        expect((await send(world.url, { path, headers })).headers.ratelimit).toContain(';r=0;');
      },
      { timeout: 30_000 },
    );
  });
});

describe('?require=', () => {
  test('is checked on both paths and whatever stands below, and told in their own ways', async () => {
    await using world = await ready();
    const headers = { authorization: `Bearer ${world.demo.secret}` };
    const cases: [query: string, status: number, code: string | undefined][] = [
      ['?require=produce', 200, undefined],
      ['?require=produce+AND+(consume+OR+admin)', 200, undefined],
      ['?require=produce%20AND%20admin', 403, 'INSUFFICIENT_PERMISSIONS'],
      ['?require=produce&require=admin', 403, 'INSUFFICIENT_PERMISSIONS'],
      ['?x=1&require=admin', 403, 'INSUFFICIENT_PERMISSIONS'],
      ['?require=', 400, 'BAD_REQUIRE'],
      ['?require=produce+and+consume', 400, 'BAD_REQUIRE'],
      ['?x=require', 200, undefined],
      ['?%zz|{}^"', 200, undefined],
    ];
    for (const [query, status, code] of cases) {
      for (const below of ['', '/', '/a/../b']) {
        const asked = await send(world.url, { path: `/v1/authenticate${below}${query}`, headers });
        expect([asked.status, asked.json().code], below + query).toEqual([status, code]);
        const forwarded = await send(world.url, { path: `/v1/forward-auth${below}${query}`, headers });
        expect(forwarded.status, below + query).toBe(status === 200 ? 200 : 403);
        const { 'spokecast-status': real, 'spokecast-code': realCode } = forwarded.headers;
        expect([real, realCode]).toEqual(status === 200 ? [undefined, undefined] : [String(status), code]);
      }
    }
    const malformed = await send(world.url, { path: '/v1/authenticate?require=(a', headers });
    expect(malformed.json().detail).toBe('The parenthesis at 1 is not closed.');
    const metrics = await (await fetch(`${world.url}/metrics`)).text();
    expect(metrics).toMatch(/decisions_total\{route="forward-auth",code="INSUFFICIENT_PERMISSIONS".*\} 9\n/);
  });

  test('is read for those alone who hold a good key, and is nothing to a path of a cluster', async () => {
    await using world = await ready();
    const { demo } = world;
    const stranger = { authorization: `Bearer ${newSecret('agentKey', demo.keyId, systemRandom)}` };
    for (const headers of [{}, stranger]) {
      for (const query of ['?require=admin', '?require=((']) {
        const refused = await send(world.url, { path: `/v1/authenticate${query}`, headers });
        expect(refused.status).toBe(401);
      }
    }
    const path = `/v1/clusters/${demo.clusterId}/x?require=admin`;
    const forwarded = await send(world.url, { path, headers: { authorization: `Bearer ${demo.secret}` } });
    expect(forwarded.json().code, 'let through').toBe('UPSTREAM_UNREACHABLE');
  });

  test('goes by the permissions of now', async () => {
    await using world = await ready();
    const ask = async () => {
      const path = '/v1/authenticate?require=admin';
      return (await send(world.url, { path, headers: { authorization: `Bearer ${world.demo.secret}` } }))
        .status;
    };
    expect(await ask()).toBe(403);
    await publish(world.store, keyContext(world.demo, 2, { permissions: ['admin'] }));
    await vi.waitFor(async () => expect(await ask()).toBe(200), { timeout: 30_000 });
  });
});

describe('stopping', () => {
  test('lets requests under way end and takes no more', async () => {
    const world = await ready();
    const gate = world.store.holdNext('read');
    const asked = world.authenticate(world.demo.secret);
    await gate.reached();
    const stopped = world.gateway.stop();
    expect(world.gateway.readiness()).toMatchObject({ status: 'not-ready' });
    gate.open();
    expect((await asked).status).toBe(200);
    await stopped;
    await expect(fetch(`${world.url}/healthz`)).rejects.toThrow();
  });
});

describe('/v1/forward-auth', () => {
  test('grants as /v1/authenticate does', async () => {
    await using world = await ready();
    const headers = { authorization: `Bearer ${world.demo.secret}` };
    const [one, other] = await Promise.all(
      ['authenticate', 'forward-auth/any/path?x'].map((path) => send(`${world.url}/v1/${path}`, { headers })),
    );
    expect([other!.status, other!.text]).toEqual([200, one!.text]);
    expect(other!.headers['spokecast-key-id']).toBe(world.demo.keyId);
  });

  test('refuses with 401 and 403 only, and says in headers what it is', async () => {
    await using world = await ready();
    const { demo } = world;
    const expects = async (headers: Record<string, string>, ...expected: unknown[]) => {
      const answer = await send(`${world.url}/v1/forward-auth`, { headers });
      const { 'spokecast-status': status, 'spokecast-code': code } = answer.headers;
      expect([answer.status, status, code]).toEqual(expected);
      return answer;
    };
    const none = await expects({}, 401, '401', 'NO_CREDENTIAL');
    expect(none.headers['www-authenticate']).toContain('Bearer');
    const headers = { authorization: `Bearer ${demo.secret}` };
    const wrong = newSecret('agentKey', demo.keyId, systemRandom);
    await expects({ authorization: `Bearer ${wrong}` }, 401, '401', 'NOT_FOUND');
    await publish(world.store, tenantContext(demo, 2, { status: 'suspended' }));
    await vi.waitFor(() => expects(headers, 403, '403', 'TENANT_SUSPENDED'));
    const dangling = newDemo();
    await publish(world.store, keyContext(dangling, 1));
    const unanswered = await expects({ authorization: `Bearer ${dangling.secret}` }, 403, '503', 'DANGLING');
    expect(unanswered.headers['retry-after']).toBe('1');
    expect(unanswered.headers).not.toHaveProperty('www-authenticate');
  });

  test('[law 7] what cannot be told now is no denial of the credential', async () => {
    await using world = await ready();
    world.store.failNext('read', 1_000);
    const headers = { authorization: `Bearer ${newDemo().secret}` };
    const answer = await send(`${world.url}/v1/forward-auth`, { headers });
    expect([answer.status, answer.headers['spokecast-status'], answer.json().code]).toEqual([
      403,
      '503',
      'UNAVAILABLE',
    ]);
  });
});
