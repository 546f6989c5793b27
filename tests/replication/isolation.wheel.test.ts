import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { type Host, Network, networksRefused, type Started } from '../support/network.ts';
import { findRequirement } from '../support/programs.ts';
import { describeWith } from '../support/requirements.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';
import { until } from './support/hub-and-spokes.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const [storePort, upstreamPort, gatewayPort] = [8000, 8100, 4101];

interface Spoke {
  region: string;
  /** Where its store and its upstream are. */
  data: Host;
  /** Where its gateway is: a host of its own, or the same. */
  gateway: Host;
}

/**
 * The hub and the spokes as hosts of their own, and a capture of what passes each gateway's host over a gateway's
 * whole life. The first spoke's gateway has a host to itself, so that all it says is seen on the wire; the second
 * spoke is one host.
 */
const isolation = () => {
  let network: Network;
  let wheel: TestWheel;
  let hub: Host;
  let agents: Host;
  let spokes: Spoke[];
  let key: { id: string; secret: string } | undefined;
  let clusterId: string;
  let tenantId: string;
  const gateways = new Map<Spoke, Started>();
  const captures = new Map<Spoke, Awaited<ReturnType<Host['capture']>>>();

  const api = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${wheel.file.hub.applicationKey}` };
    const answer = await hub.ask('127.0.0.1', wheel.portBase, { method, path, headers, body });
    expect(answer.status, `${method} ${path}: ${answer.body}`).toBeLessThan(300);
    return answer.body === '' ? undefined : JSON.parse(answer.body);
  };
  const askGateway = (spoke: Spoke, path: string, secret = key?.secret ?? '') =>
    agents.ask(spoke.gateway.address, gatewayPort, { path, headers: { authorization: `Bearer ${secret}` } });
  const authenticate = (spoke: Spoke, secret?: string) => askGateway(spoke, '/v1/authenticate', secret);

  /** Everything an agent can learn, of both spokes. */
  const answers = () =>
    Promise.all(
      spokes.map(async (spoke) => ({
        granted: await authenticate(spoke),
        unknown: (await authenticate(spoke, 'spk_nonsense')).status,
        forwarded: await askGateway(spoke, `/v1/clusters/${clusterId}/topics?x=1`),
      })),
    );

  async function startGateway(spoke: Spoke): Promise<void> {
    const env = {
      SPOKECAST_REGION: spoke.region,
      SPOKECAST_STORE_ENDPOINT: `http://${spoke.data.address}:${storePort}`,
      SPOKECAST_PORT: String(gatewayPort),
      SPOKECAST_STATUS_EVERY_MS: '200',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    };
    const started = await spoke.gateway.start(
      process.execPath,
      [at('infra/bin/spokecast.js'), 'gateway'],
      /"ready"/,
      env,
    );
    gateways.set(spoke, started);
    await within('the gateway is ready', async () => (await askGateway(spoke, '/readyz')).status === 200);
  }

  const within = (what: string, condition: () => Promise<boolean>) => until(condition, what);

  beforeAll(async () => {
    network = new Network();
    hub = network.host('hub');
    agents = network.host('agents');
    const [data, apart, whole] = [network.host('data'), network.host('gateway'), network.host('whole')];
    spokes = [
      { region: 'apart-1', data, gateway: apart },
      { region: 'whole-1', data: whole, gateway: whole },
    ];
    for (const spoke of spokes) captures.set(spoke, await spoke.gateway.capture());
    wheel = await startWheel({ within: hub.within, noRestart: true });
    for (const { region, data } of spokes) {
      const node = (main: string, first: string, port: number) =>
        data.start(process.execPath, [at(main), first, String(port), '0.0.0.0'], /listening/);
      await node('infra/local/store-main.ts', join(network.directory, region), storePort);
      await node('infra/local/upstream-main.ts', region, upstreamPort);
      const endpoint = `http://${data.address}:${storePort}`;
      await api('POST', '/v1/regions', { id: region, store: { endpoint, table: `spokecast-dev-${region}` } });
    }
    for (const spoke of spokes) await startGateway(spoke);
    tenantId = (await api('POST', '/v1/tenants', { name: 'Isolated' })).id;
    const cluster = await api('POST', '/v1/clusters', {
      tenantId,
      name: 'apart',
      upstreamUrl: `http://${spokes[0]!.data.address}:${upstreamPort}`,
      placements: spokes.map(({ region, data }) => ({
        region,
        overrides: { upstreamUrl: `http://${data.address}:${upstreamPort}` },
      })),
    });
    clusterId = cluster.id;
    key = await api('POST', '/v1/agent-keys', { clusterId, name: 'agent' });
  });
  afterAll(async () => {
    await wheel?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  test('[law 5] a gateway lives its whole life without the hub being more than a writer to its store', async () => {
    for (const spoke of spokes) {
      await within('the key has arrived', async () => (await authenticate(spoke)).status === 200);
      expect((await askGateway(spoke, `/v1/clusters/${clusterId}/x`)).status).toBe(200);
    }
    for (const [status, expected] of [
      ['suspended', 403],
      ['active', 200],
    ] as const) {
      await api('PATCH', `/v1/tenants/${tenantId}`, { status });
      for (const spoke of spokes)
        await within(`heard of ${status}`, async () => (await authenticate(spoke)).status === expected);
    }
    for (const spoke of spokes) {
      await gateways.get(spoke)!.end('SIGKILL');
      await startGateway(spoke);
    }
  });

  test("[law 5] cutting the hub's host off changes no answer, nor does starting a gateway then", async () => {
    const before = await answers();
    expect(before.map(({ granted, unknown }) => [granted.status, unknown])).toEqual([
      [200, 401],
      [200, 401],
    ]);
    hub.plug('down');
    expect(await answers()).toEqual(before);
    await systemClock.sleep(1_000); // twenty polls of the feed, five reports of each gateway
    expect(await answers()).toEqual(before);
    for (const spoke of spokes) {
      await gateways.get(spoke)!.end('SIGTERM');
      await startGateway(spoke);
    }
    expect(await answers()).toEqual(before);
    hub.plug('up');
    await api('PATCH', `/v1/tenants/${tenantId}`, { status: 'suspended' });
    for (const spoke of spokes)
      await within('what was changed meanwhile', async () => (await authenticate(spoke)).status === 403);
  });

  test('[law 5] all that time nobody connected but agents to gateways, gateways to their stores and upstreams, and the hub to stores', async () => {
    // A connection that is none of these, to show that the capture would have seen it.
    const [apart] = spokes as [Spoke, Spoke];
    await apart.gateway.ask(agents.address, 9, { path: '/' }).catch(() => {});
    const seen = new Map<Spoke, Set<string>>();
    for (const spoke of spokes) {
      const packets = await captures.get(spoke)!.packets();
      seen.set(spoke, new Set(packets.map(({ from, to }) => `${nameOf(from)} -> ${nameOf(to)}`)));
    }
    expect([...seen.get(spokes[0]!)!].sort()).toEqual([
      'agents -> gateway:4101',
      'gateway -> agents:9',
      'gateway -> data:8000',
      'gateway -> data:8100',
    ]);
    expect([...seen.get(spokes[1]!)!].sort()).toEqual([
      'agents -> whole:4101',
      'hub -> whole:8000',
      'whole -> whole:8000',
      'whole -> whole:8100',
    ]);
  });

  /** `10.77.0.3.8000` as `data:8000`. */
  function nameOf(endpoint: string): string {
    const parts = endpoint.split('.');
    const address = parts.slice(0, 4).join('.');
    const host = [hub, agents, ...spokes.flatMap((spoke) => [spoke.data, spoke.gateway])].find(
      (each) => each.address === address,
    );
    return (host?.name ?? address) + (parts[4] === undefined ? '' : `:${parts[4]}`);
  }
};

const lacking = (['ip', 'tcpdump'] as const).find((program) => !findRequirement(program));
const refused = lacking === undefined ? networksRefused() : undefined;
if (lacking !== undefined) describeWith(lacking, 'hosts of their own', isolation);
else if (refused !== undefined) describe.skip(`hosts of their own (${refused})`, isolation);
else describe('hosts of their own', isolation);
