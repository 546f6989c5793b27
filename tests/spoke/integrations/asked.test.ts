import { expect, test, vi } from 'vitest';
import { allOf, newDemo, publish } from '../support/contexts.ts';
import { gatewayWorld } from '../support/gateway-world.ts';
import { send } from '../support/upstream.ts';
import { documentedConfiguration } from './documented.ts';

/**
 * Traefik and Envoy are in no package of Debian: what their documentation says they ask is asked here, at the
 * address and below the prefix that our pages tell them.
 */
async function world() {
  const started = await gatewayWorld({ initialised: true });
  await vi.waitFor(() => expect(started.gateway.readiness().status).toBe('ready'));
  const demo = newDemo();
  await publish(started.store, ...allOf(demo, 1));
  const gateway = new URL(started.url).host;
  return { ...started, demo, parties: { gateway, service: '127.0.0.1:1', agents: '127.0.0.1:2' } };
}

test('docs/integrations/traefik.md: a GET of the address, with the request in x-forwarded headers', async () => {
  await using stage = await world();
  const { demo, parties } = stage;
  const page = documentedConfiguration('traefik.md', 'dynamic.yml', parties);
  const address = /address: (\S+)/.exec(page)![1]!;
  const headers = {
    'x-forwarded-method': 'POST',
    'x-forwarded-uri': '/orders?x=1',
    'x-forwarded-host': 'agents.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-for': '203.0.113.9',
  };
  const refused = await send(address, { headers });
  expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer realm="spokecast"']);
  const granted = await send(address, { headers: { ...headers, authorization: `Bearer ${demo.secret}` } });
  expect(granted.status).toBe(200);
  const copied = [...page.matchAll(/- (Spokecast-\S+)/g)].map(([, name]) => name!.toLowerCase());
  expect(copied.map((name) => granted.headers[name])).toEqual([demo.tenantId, demo.clusterId, demo.keyId]);
});

test('docs/integrations/envoy.md: the method and the path of the request below the prefix', async () => {
  await using stage = await world();
  const { demo, parties } = stage;
  const page = documentedConfiguration('envoy.md', 'envoy.yaml', parties);
  const uri = /uri: "([^"]+)"/.exec(page)![1]!;
  const prefix = /path_prefix: (\S+)/.exec(page)![1]!;
  for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
    for (const path of ['/', '/orders/7?x=1', '/../../healthz', '/v1/clusters/x/y']) {
      const asked = { method, path: prefix + path };
      const headers = { 'content-length': '0' };
      expect((await send(uri, { ...asked, headers })).status, `${method} ${path}`).toBe(401);
      const good = { ...headers, 'spokecast-agent-key': demo.secret };
      const granted = await send(uri, { ...asked, headers: good });
      expect([granted.status, granted.headers['spokecast-tenant-id']]).toEqual([200, demo.tenantId]);
    }
  }
});
