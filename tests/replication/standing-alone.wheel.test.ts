import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settleBounded } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newId } from '../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../contexts/secrets.ts';
import { isAlive } from '../support/process.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';
import { until } from './support/hub-and-spokes.ts';

const region = 'eu-west-1';

describe('[law 5] with hub, publisher and Postgres killed', () => {
  let wheel: TestWheel;
  const secrets: string[] = [];

  beforeAll(async () => {
    wheel = await startWheel({ noRestart: true });
    const { tenantId, clusterId } = wheel.file.demo;
    const rows = Array.from({ length: 1000 }, () => {
      const id = newId('agentKey', systemClock, systemRandom);
      const secret = newSecret('agentKey', id, systemRandom);
      secrets.push(secret);
      return { id, cluster_id: clusterId, name: 'k', verifier: verifierOf(secret) };
    });
    expect(tenantId).toBeTruthy();
    const fence = await wheel.sql.begin(async (sql) => {
      const [opened] = await sql`select open_fence() as id`;
      for (let at = 0; at < rows.length; at += 250)
        await sql`insert into agent_keys ${sql(rows.slice(at, at + 250))}`;
      return opened!.id;
    });
    await until(async () => {
      const { body } = await wheel.api('GET', `/v1/fences/${fence}?timeoutMs=1000`);
      return body.complete;
    }, 'all have arrived in every region');
    // Every second one is asked for now; the others are never asked for before the hub is dead.
    for (let i = 0; i < secrets.length; i += 2)
      expect((await wheel.authenticate(region, secrets[i]!)).status).toBe(200);
    for (const role of ['hub', 'publisher', 'postgres']) await wheel.kill(role, 'SIGKILL');
  });
  afterAll(() => wheel?.[Symbol.asyncDispose]());

  const statuses = async (url: string) => {
    const results = await settleBounded(secrets, 20, async (secret) => {
      const response = await fetch(`${url}/v1/authenticate`, {
        headers: { authorization: `Bearer ${secret}` },
      });
      await response.arrayBuffer();
      return response.status;
    });
    return new Set(
      results.map((result) => (result.status === 'fulfilled' ? result.value : `${result.reason}`)),
    );
  };

  test('they are dead, and stay so', async () => {
    const { hub, publisher, postgres } = wheel.file;
    for (const { pid } of [hub, publisher, postgres]) expect(isAlive(pid)).toBe(false);
    await expect(fetch(`${hub.url}/healthz`)).rejects.toThrow();
  });

  test('the gateway answers as before for 1,000 keys, half of them never asked for before', async () => {
    expect(await statuses(wheel.region(region).gateway.url)).toEqual(new Set([200]));
  });

  test('a gateway that is killed and started again does too', async () => {
    await wheel.kill(`gateway-${region}`, 'SIGKILL');
    const restarted = await wheel.startGateway(region);
    expect(await statuses(restarted.url)).toEqual(new Set([200]));
  });

  test('a gateway started for the first time does too', async () => {
    const fresh = await wheel.startGateway('us-east-1');
    expect(await statuses(fresh.url)).toEqual(new Set([200]));
  });

  test('[law 7] a gateway whose store is killed too does, from its snapshot', async () => {
    await wheel.kill(`store-${region}`, 'SIGKILL');
    const booted = await wheel.startGateway(region);
    expect(await statuses(booted.url)).toEqual(new Set([200]));
    const { status, reasons } = (await (await fetch(`${booted.url}/readyz`)).json()) as {
      status: string;
      reasons: string[];
    };
    expect(status).toBe('degraded');
    expect(reasons.join()).toContain('from the snapshot of');
  });
});
