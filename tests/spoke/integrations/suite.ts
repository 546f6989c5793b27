import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../support/process.ts';
import { startProgram } from '../../support/program.ts';
import type { Requirement } from '../../support/programs.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import {
  allOf,
  boundKeyContext,
  gone,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from '../support/contexts.ts';
import { gatewayWorld } from '../support/gateway-world.ts';
import { send, startUpstream } from '../support/upstream.ts';
import type { Parties } from './documented.ts';

/** How a program is run with what docs/integrations says, in a folder of its own. */
export interface Integration {
  program: Requirement;
  /** Writes the configuration into `directory` and returns the arguments to start with, in the foreground. */
  configure(parties: Parties, directory: string): Promise<string[]>;
}

/**
 * What every configuration of docs/integrations promises, with the real program before a real gateway. The
 * gateway stands behind a TCP proxy, so that it can be taken away.
 */
export function integrationSuite(integration: Integration): void {
  let stage: Awaited<ReturnType<typeof startStage>>;
  beforeAll(async () => {
    stage = await startStage(integration);
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const basic = (secret: string) => `Basic ${Buffer.from(`anyone:${secret}`).toString('base64')}`;

  test('every credential style lets in, and the service learns who it is, and nothing else', async () => {
    const { url, demo } = stage;
    const styles: Record<string, string>[] = [
      { authorization: `Bearer ${demo.secret}` },
      { authorization: basic(demo.secret) },
      { 'spokecast-agent-key': demo.secret },
    ];
    for (const style of styles) {
      const spoofed = {
        'spokecast-tenant-id': 'ten_evil',
        spokecast_tenant_id: 'ten_evil',
        'spokecast-key-id': 'aki_evil',
      };
      const answer = await send(`${url}/a%2Fb/c?x=1&y=%20&require=of-the-service`, {
        headers: { ...style, ...spoofed },
      });
      expect(answer.status).toBe(200);
      const seen = answer.json();
      expect(seen.url).toBe('/a%2Fb/c?x=1&y=%20&require=of-the-service');
      expect(seen.headers).toMatchObject({
        'spokecast-tenant-id': demo.tenantId,
        'spokecast-cluster-id': demo.clusterId,
        'spokecast-key-id': demo.keyId,
      });
      expect(JSON.stringify(seen.rawHeaders)).not.toContain('evil');
      expect(JSON.stringify(seen.rawHeaders)).not.toContain(demo.secret);
      expect(seen.headers).not.toHaveProperty('authorization');
    }
  });

  test('bodies reach the service, whole', async () => {
    const body = 'x'.repeat(300_000);
    const headers = { authorization: `Bearer ${stage.demo.secret}`, 'content-length': String(body.length) };
    const answer = await send(stage.url, { method: 'POST', headers, body });
    expect([answer.status, answer.json().method, answer.json().bodyLength]).toEqual([200, 'POST', 300_000]);
  });

  test('nobody passes without a good key, wherever the path leads', async () => {
    const { url, revoked } = stage;
    const before = stage.served();
    for (const path of ['/', '/x/../../healthz', '/%2e%2e/%2e%2e/healthz', '/v1/authenticate']) {
      const answer = await send(url, { path });
      expect([400, 401], path).toContain(answer.status);
      if (answer.status === 401) expect(answer.headers['www-authenticate']).toContain('Bearer');
    }
    for (const authorization of ['Bearer nonsense', `Bearer ${revoked.secret}`, basic('wrong')]) {
      expect((await send(url, { headers: { authorization } })).status).toBe(401);
    }
    expect(stage.served()).toBe(before);
  });

  test('two credentials are none', async () => {
    const authorization = [`Bearer ${stage.revoked.secret}`, `Bearer ${stage.demo.secret}`];
    expect([400, 401]).toContain((await send(stage.url, { headers: { authorization } })).status);
  });

  test('a denial is 403', async () => {
    const before = stage.served();
    const answer = await send(stage.url, { headers: { authorization: `Bearer ${stage.suspended.secret}` } });
    expect([answer.status, answer.json().code]).toEqual([403, 'TENANT_SUSPENDED']);
    expect(stage.served()).toBe(before);
  });

  test('too many requests of a key are 429 with retry-after', async () => {
    const headers = { authorization: `Bearer ${stage.limited.secret}` };
    expect((await send(stage.url, { headers })).status).toBe(200);
    const answer = await send(stage.url, { headers });
    expect([answer.status, answer.json().code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(80_000);
  });

  test("the client's address counts, and not what it says of it", async () => {
    const { url, near, far } = stage;
    const claims: Record<string, string>[] = [
      {},
      { 'x-forwarded-for': '203.0.113.9' },
      { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' },
    ];
    for (const claim of claims) {
      const ask = ({ secret }: { secret: string }) =>
        send(url, { headers: { authorization: `Bearer ${secret}`, ...claim } });
      const refused = await ask(far);
      expect([refused.status, refused.json().code], JSON.stringify(claim)).toEqual([403, 'FORBIDDEN']);
      if (!('forwarded' in claim)) expect((await ask(near)).status, JSON.stringify(claim)).toBe(200);
    }
  });

  test('no answer to be had is 503 with retry-after, and no denial', async () => {
    const answer = await send(stage.url, { headers: { authorization: `Bearer ${stage.dangling.secret}` } });
    expect([answer.status, answer.json().code]).toEqual([503, 'DANGLING']);
    expect(answer.headers['retry-after']).toBe('1');
  });

  test("the service's own refusals are its own", async () => {
    const { url, demo } = stage;
    const headers = { authorization: `Bearer ${demo.secret}` };
    for (const status of [401, 403, 418, 503]) {
      const answer = await send(`${url}/status/${status}`, { headers });
      expect([answer.status, answer.text]).toEqual([status, `the service says ${status}`]);
    }
  });

  test('fails closed while the gateway is gone, and goes on when it is back', async () => {
    const { url, demo, road } = stage;
    const headers = { authorization: `Bearer ${demo.secret}` };
    await road.stop();
    const before = stage.served();
    const answer = await send(url, { headers });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(stage.served()).toBe(before);
    await road.start();
    // nginx and its like leave a server alone for some seconds that has just failed.
    await vi.waitFor(async () => expect((await send(url, { headers })).status).toBe(200), {
      timeout: 30_000,
      interval: 200,
    });
  });
}

async function startStage(integration: Integration) {
  let served = 0;
  const service = await startUpstream((incoming, outgoing) => {
    served += 1;
    const { method, url, headers, rawHeaders } = incoming;
    const status = /^\/status\/(\d+)$/.exec(url ?? '')?.[1];
    let bodyLength = 0;
    incoming.on('data', (chunk) => {
      bodyLength += chunk.length;
    });
    incoming.on('end', () => {
      if (status) outgoing.writeHead(Number(status)).end(`the service says ${status}`);
      else outgoing.end(JSON.stringify({ method, url, headers, rawHeaders, bodyLength }));
    });
  });
  const world = await gatewayWorld({ initialised: true });
  await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'));
  const [demo, suspended, revoked, dangling] = [newDemo(), newDemo(), newDemo(), newDemo()];
  const [near, far, limited] = [newDemo(), newDemo(), newDemo()];
  const rateLimit = { limit: 1, windowMs: 86_400_000 };
  await publish(world.store, ...allOf(limited, 1));
  await publish(world.store, keyContext(limited, 2, { rateLimit }));
  await publish(world.store, ...allOf(near, 1), ...allOf(far, 1));
  await publish(
    world.store,
    boundKeyContext(near, 2, ['127.0.0.0/8']),
    boundKeyContext(far, 2, ['203.0.113.0/24']),
  );
  await publish(world.store, ...allOf(demo, 1), ...allOf(suspended, 1), ...allOf(revoked, 1));
  await publish(world.store, tenantContext(suspended, 2, { status: 'suspended' }));
  await publish(world.store, gone('agent-key', revoked.keyId, 2), keyContext(dangling, 1));

  const road = await new TcpProxy(Number(new URL(world.url).port)).start();
  const agents = `127.0.0.1:${await freePort()}`;
  const directory = await mkdtemp(join(tmpdir(), 'spokecast-integration-'));
  const args = await integration.configure(
    { gateway: `127.0.0.1:${road.port}`, service: new URL(service.url).host, agents },
    directory,
  );
  const program = await startProgram(integration.program, args, {
    port: Number(agents.split(':')[1]),
    env: {
      PATH: process.env.PATH ?? '',
      ...{ HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    },
  });
  return {
    url: `http://${agents}`,
    served: () => served,
    ...{ near, far, limited, demo, suspended, revoked, dangling, road },
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await road.stop();
      await world[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
