import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { allOf, newDemo, publish } from './support/contexts.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { gatewayWorld } from './support/gateway-world.ts';
import { send, startUpstream } from './support/upstream.ts';

type Line = Record<string, unknown>;

async function logged(environment: Record<string, string>) {
  const lines: Line[] = [];
  const accessLog = pino({ base: {} }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const world = await gatewayWorld({ initialised: true, environment, accessLog });
  await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
  const demo = newDemo();
  const wrote = (count: number) =>
    vi.waitFor(() => expect(lines.length).toBeGreaterThanOrEqual(count), { timeout: 30_000 });
  return { ...world, demo, lines, wrote };
}

describe('the access log', () => {
  test('has a line a request, with what tells it apart', async () => {
    await using world = await logged({ SPOKECAST_ACCESS_LOG: '1' });
    await using upstream = await startUpstream((_incoming, outgoing) => outgoing.end('here'));
    const { demo, url, lines } = world;
    await publish(world.store, ...allOf(demo, 1, { upstreamUrl: upstream.url }));
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const headers = { authorization: `Bearer ${demo.secret}`, traceparent, 'x-request-id': 'req-1' };
    await send(url, { path: '/v1/authenticate/deep?token=hunter2', headers });
    await send(url, { path: `/v1/clusters/${demo.clusterId}/a/b?q=hunter2`, headers, method: 'POST' });
    await send(url, { path: '/v1/forward-auth' });
    await world.wrote(3);
    const same = {
      keyId: demo.keyId,
      requestId: 'req-1',
      traceparent,
      code: 'GRANTED',
      remoteAddress: '127.0.0.1',
    };
    expect(lines[0]).toMatchObject({ ...same, method: 'GET', path: '/v1/authenticate/deep', status: 200 });
    expect(lines[0]!.durationMs).toBeGreaterThan(0);
    expect(lines[1]).toMatchObject({
      ...{ ...same, method: 'POST', path: `/v1/clusters/${demo.clusterId}/a/b`, status: 200 },
      upstream: new URL(upstream.url).origin,
    });
    expect(lines[2]).toMatchObject({ status: 401, code: 'NO_CREDENTIAL', path: '/v1/forward-auth' });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });

  test('[law 10] has no secret, wherever one was put', async () => {
    await using world = await logged({ SPOKECAST_ACCESS_LOG: '1' });
    const { demo, url, lines } = world;
    await publish(world.store, ...allOf(demo, 1));
    const stranger = newSecret('agentKey', demo.keyId, systemRandom);
    const secret = demo.secret;
    await send(url, { path: `/v1/authenticate/${secret}`, headers: { 'spokecast-agent-key': stranger } });
    await send(url, { path: `/${secret}`, headers: { 'x-request-id': secret, 'x-forwarded-for': secret } });
    await send(url, { path: `/v1/clusters/${demo.clusterId}/x?key=${secret}`, headers: { cookie: secret } });
    await world.wrote(3);
    const text = JSON.stringify(lines);
    expect(lines[0]).toMatchObject({
      keyId: demo.keyId,
      code: 'WRONG_SECRET',
      path: '/v1/authenticate/[secret]',
    });
    expect(text).not.toContain(secret.slice(31, 60));
    expect(text).not.toContain(stranger.slice(31, 60));
  });

  test('samples what is let in, and has refusals at a bounded rate', async () => {
    await using world = await logged({
      SPOKECAST_ACCESS_LOG: '0',
      SPOKECAST_ACCESS_LOG_REFUSALS_PER_SECOND: '3',
    });
    await publish(world.store, ...allOf(world.demo, 1));
    for (let i = 0; i < 5; i++) expect((await world.authenticate(world.demo.secret)).status).toBe(200);
    await Promise.all(Array.from({ length: 50 }, () => send(world.url, { path: '/v1/authenticate' })));
    const counted = async () => await (await fetch(`${world.url}/metrics`)).text();
    await vi.waitFor(
      async () => expect(await counted()).toMatch(/access_log_lines_total\{outcome="suppressed",[^}]*\} 4\d/),
      { timeout: 30_000 },
    );
    expect(world.lines.length).toBeGreaterThanOrEqual(3);
    expect(world.lines.length).toBeLessThan(11);
    expect(new Set(world.lines.map(({ code }) => code))).toEqual(new Set(['NO_CREDENTIAL']));
  });

  test('of a gateway as a process stands on its output, to the last line before it ended', async () => {
    await using gateway = await GatewayProcess.start({ env: { SPOKECAST_ACCESS_LOG: '1' } });
    await vi.waitFor(async () => expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200));
    await send(gateway.url, { path: '/v1/authenticate/the-last' });
    await gateway.end('SIGTERM');
    const lines = () =>
      gateway.output
        .split('\n')
        .filter((line) => line.includes('"gateway-access"'))
        .map((line) => JSON.parse(line) as Line);
    await expect
      .poll(lines)
      .toContainEqual(expect.objectContaining({ path: '/v1/authenticate/the-last', code: 'NO_CREDENTIAL' }));
  });

  test('is off unless asked for: nothing listens, nothing is written', async () => {
    await using world = await logged({});
    await send(world.url, { path: '/v1/authenticate' });
    expect(world.lines).toEqual([]);
    expect(await (await fetch(`${world.url}/metrics`)).text()).not.toMatch(/access_log_lines_total\{/);
  });
});
