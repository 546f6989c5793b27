import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isAlive } from '../support/process.ts';
import { freePortBase, startWheel, type TestWheel } from '../support/wheel.ts';

const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];

/** Every process of a wheel, as wheel.json tells them. */
function pidsOf({ file }: TestWheel): number[] {
  const ofRegions = file.regions.flatMap(({ gateway, store, upstream }) => [
    gateway.pid,
    store.pid,
    upstream.pid,
  ]);
  return [file.hub.pid, file.publisher.pid, file.postgres.pid, ...ofRegions];
}

describe('npm start', () => {
  let directory: string;
  let wheel: TestWheel;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'spokecast-start-'));
    wheel = await startWheel({ directory });
  });
  afterAll(async () => {
    await wheel[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test('every role is a process of its own', () => {
    const pids = pidsOf(wheel);
    expect(new Set(pids).size).toBe(12);
    expect(pids.every(isAlive)).toBe(true);
  });

  test.each(regions)(
    'the demo key is let in at %s, and its request reaches the upstream there',
    async (region) => {
      const { demo } = wheel.file;
      const { status, body } = await wheel.authenticate(region, demo.agentKey);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        tenantId: demo.tenantId,
        clusterId: demo.clusterId,
        keyId: demo.agentKeyId,
        region,
      });
      const forwarded = await fetch(
        `${wheel.region(region).gateway.url}/v1/clusters/${demo.clusterId}/topics?limit=3`,
        {
          method: 'POST',
          headers: { authorization: `Bearer ${demo.agentKey}`, 'spokecast-tenant-id': 'ten_spoofed' },
          body: 'hello',
        },
      );
      const echo = (await forwarded.json()) as { headers: Record<string, string> };
      expect(echo).toMatchObject({ region, method: 'POST', path: '/topics?limit=3', body: 'hello' });
      expect(echo.headers['spokecast-tenant-id']).toBe(demo.tenantId);
      expect(echo.headers).not.toHaveProperty('authorization');
    },
  );

  test('the printed curl lines work as they are', async () => {
    const lines = wheel.output.split('\n').filter((line) => line.trim().startsWith('curl '));
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const { stdout } = await promisify(execFile)('sh', ['-c', `${line.trim()} -w '\\n%{http_code}'`]);
      expect(stdout.split('\n').at(-1), line).toBe('200');
    }
  });

  test('the printed link sets the hub up', async () => {
    const link = wheel.output.split('\n').find((line) => line.includes('/set-up?token='));
    expect((await fetch(link!.trim())).status).toBe(200);
  });

  test('[law 10] secrets are in files of their owner alone, and neither printed nor logged', () => {
    const { hub, demo, postgres } = wheel.file;
    const secrets = [hub.applicationKey, demo.agentKey, new URL(postgres.url).password];
    for (const name of [
      'wheel.json',
      'demo.json',
      'application-key',
      'demo-agent-key',
      'database-password',
    ]) {
      expect(statSync(join(directory, name)).mode & 0o777, name).toBe(0o600);
    }
    const roles = [
      'postgres',
      'hub',
      'publisher',
      ...regions.flatMap((id) => [`gateway-${id}`, `store-${id}`, `upstream-${id}`]),
    ];
    const logs = roles.map((role) => readFileSync(join(directory, 'logs', `${role}.log`), 'utf8'));
    for (const text of [wheel.output, ...logs])
      for (const secret of secrets) expect(text).not.toContain(secret);
  });

  test('a second start in the same directory is refused and disturbs nothing', async () => {
    const before = pidsOf(wheel);
    await expect(startWheel({ directory })).rejects.toThrow(
      `already running from ${directory} (process ${wheel.pid})`,
    );
    expect(before.every(isAlive)).toBe(true);
    expect(existsSync(join(directory, 'wheel.json'))).toBe(true);
  });

  test('ports in use are named, with the flag that helps', async () => {
    await expect(startWheel({ portBase: wheel.portBase })).rejects.toThrow(
      new RegExp(`port ${wheel.portBase} \\(the hub\\)[^]*--port-base ${wheel.portBase + 1000}`),
    );
  });

  test('a role that dies is reported, started again, and named anew in wheel.json', async () => {
    const before = await wheel.pidOf('gateway-eu-west-1');
    await wheel.kill('gateway-eu-west-1');
    await vi.waitFor(async () => expect(await wheel.pidOf('gateway-eu-west-1')).not.toBe(before), {
      timeout: 30_000,
    });
    expect(wheel.output).toContain(
      `! gateway-eu-west-1 (process ${before}) was ended by SIGKILL; starting it again`,
    );
    expect((await wheel.authenticate('eu-west-1', wheel.file.demo.agentKey)).status).toBe(200);
  });

  test('one more gateway starts from what wheel.json says', async () => {
    const { url } = await wheel.startGateway('ap-southeast-1');
    const answer = await fetch(`${url}/v1/authenticate`, {
      headers: { authorization: `Bearer ${wheel.file.demo.agentKey}` },
    });
    expect(answer.status).toBe(200);
  });

  test('Ctrl-C ends all in order; the next start, on other ports, finds everything again', async () => {
    const pids = pidsOf(wheel);
    const { demo, hub } = wheel.file;
    expect(await wheel.stop()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(join(directory, 'wheel.json'))).toBe(false);
    await wheel[Symbol.asyncDispose]();

    wheel = await startWheel({ directory, portBase: await freePortBase() });
    expect(wheel.file.demo).toEqual(demo);
    expect(wheel.file.hub.applicationKey).toBe(hub.applicationKey);
    const tenants = await wheel.api('GET', '/v1/tenants');
    expect(tenants.body.items).toHaveLength(1);
    for (const region of regions) {
      const forwarded = await fetch(`${wheel.region(region).gateway.url}/v1/clusters/${demo.clusterId}/x`, {
        headers: { authorization: `Bearer ${demo.agentKey}` },
      });
      expect(await forwarded.json()).toMatchObject({ region });
    }
  });

  test('when npm start itself is killed outright its roles end, and the next start takes over', async () => {
    const pids = pidsOf(wheel);
    const { portBase } = wheel;
    process.kill(wheel.pid, 'SIGKILL');
    await wheel[Symbol.asyncDispose]();
    wheel = await startWheel({ directory, portBase, flags: ['--fresh'] });
    expect(pids.filter(isAlive)).toEqual([]);
    expect((await wheel.authenticate('us-east-1', wheel.file.demo.agentKey)).status).toBe(200);
  });
});
