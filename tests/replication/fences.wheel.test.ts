import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { newId } from '../../contexts/ids.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';
import { until } from './support/hub-and-spokes.ts';

const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const;
const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

describe('propagation receipts on a whole wheel of processes', () => {
  let wheel: TestWheel;
  beforeAll(async () => {
    wheel = await startWheel({
      env: {
        SPOKECAST_STATUS_EVERY_MS: '1000',
        SPOKECAST_COLLECT_EVERY_MS: '500',
        SPOKECAST_RELAY_LEASE_MS: '1000',
      },
    });
  });
  afterAll(() => wheel?.[Symbol.asyncDispose]());

  const create = async (path: string, body: unknown) => {
    const reply = await wheel.api('POST', path, body);
    expect(reply.status, JSON.stringify(reply.body)).toBe(201);
    return reply.body;
  };
  const newCluster = async (placed: readonly string[]) => {
    const tenant = await create('/v1/tenants', { name: newId('tenant', systemClock, systemRandom) });
    return create('/v1/clusters', {
      tenantId: tenant.id,
      name: 'fenced',
      upstreamUrl: 'http://127.0.0.1:9/',
      placements: placed.map((region) => ({ region })),
    });
  };
  const fence = async (id: string, timeoutMs = 0) =>
    (await wheel.api('GET', `/v1/fences/${id}?timeoutMs=${timeoutMs}`)).body;
  const of = (body: { regions: { region: string }[] }, region: string) =>
    body.regions.find((one) => one.region === region);

  /** `spokecast wait`, as an operator runs it. */
  const wait = (id: string, ...flags: string[]) => {
    const child = spawn(process.execPath, [bin, 'wait', id, ...flags], {
      env: {
        PATH: process.env.PATH,
        SPOKECAST_HUB_URL: wheel.file.hub.url,
        SPOKECAST_APPLICATION_KEY: wheel.file.hub.applicationKey,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (ended.stdout += text));
    child.stderr.on('data', (text) => (ended.stderr += text));
    const done = new Promise<Ended>((resolve) => child.once('exit', (code) => resolve({ ...ended, code })));
    return { ended, done };
  };

  test('a revocation that was waited for is 401 at every gateway, at once', async () => {
    const cluster = await newCluster(regions);
    const took: number[] = [];
    for (let i = 0; i < 5; i++) {
      const made = await wheel.api('POST', '/v1/agent-keys?wait=regions', {
        clusterId: cluster.id,
        name: 'k',
      });
      expect(made.headers.get('spokecast-propagation')).toBe('complete');
      const answers = await Promise.all(
        regions.map((region) => wheel.authenticate(region, made.body.secret)),
      );
      expect(
        answers.map(({ status }) => status),
        'no sleep, and it works',
      ).toEqual([200, 200, 200]);

      const startedAt = systemClock.monotonic();
      const gone = await wheel.api('DELETE', `/v1/agent-keys/${made.body.id}?wait=regions`);
      took.push(systemClock.monotonic() - startedAt);
      expect([gone.status, gone.headers.get('spokecast-propagation')]).toEqual([204, 'complete']);
      const refused = await Promise.all(
        regions.map((region) => wheel.authenticate(region, made.body.secret)),
      );
      expect(refused.map(({ status }) => status)).toEqual([401, 401, 401]);
    }
    took.sort((a, b) => a - b);
    console.log(
      `5 revocations with ?wait=regions over 3 regions: median ${took[2]!.toFixed(0)} ms, max ${took[4]!.toFixed(0)} ms`,
    );
  });

  test("a move's fence stands for 300 keys; spokecast wait says when they have moved", async () => {
    const cluster = await newCluster(['us-east-1']);
    await wheel.sql`
      insert into agent_keys (id, cluster_id, name, verifier)
      select 'aki_0000000000000000000000' || lpad(n::text, 4, '0'), ${cluster.id}, 'k', repeat('v', 43) from generate_series(1, 300) n`;
    const last = await create('/v1/agent-keys', { clusterId: cluster.id, name: 'last' });
    const moved = await wheel.api('PATCH', `/v1/clusters/${cluster.id}`, {
      placements: [{ region: 'eu-west-1' }],
    });
    const id = moved.headers.get('spokecast-fence')!;
    const { code, stdout, stderr } = await wait(id, '--json', '--timeout', '30').done;
    expect(code, stderr).toBe(0);
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({ id, complete: true });
    expect(of(told, 'eu-west-1')).toMatchObject({ state: 'seen' });
    expect(of(told, 'us-east-1')).toMatchObject({ state: 'seen' });
    const [live] =
      await wheel.sql`select count(*)::int as jobs from fence_jobs where fence = ${id} and region = 'eu-west-1'`;
    expect(live!.jobs, 'a hundred contexts a job').toBeGreaterThanOrEqual(4);
    expect((await wheel.authenticate('eu-west-1', last.secret)).status).toBe(200);
    expect((await wheel.authenticate('us-east-1', last.secret)).status).toBe(401);
  });

  test('a gateway that is frozen is told of at the timeout, and never left out; it settles when it goes on', async () => {
    const cluster = await newCluster(regions);
    const key = await create('/v1/agent-keys', { clusterId: cluster.id, name: 'k' });
    await until(
      async () => (await wheel.authenticate('eu-west-1', key.secret)).status === 200,
      'it is let in',
    );
    await wheel.kill('gateway-eu-west-1', 'SIGSTOP');
    try {
      const gone = await wheel.api('DELETE', `/v1/agent-keys/${key.id}?wait=regions&timeoutMs=4500`);
      expect([gone.status, gone.headers.get('spokecast-propagation')]).toEqual([204, 'incomplete']);
      const id = gone.headers.get('spokecast-fence')!;
      const { code, stderr, stdout } = await wait(id, '--timeout', '3').done;
      expect(code).toBe(75);
      expect(stdout).toContain('us-east-1: seen');
      expect(stderr).toMatch(/waiting for eu-west-1 \(stored, seen by 0 of 1\)/);
      expect(stderr).toMatch(/eu-west-1: gw_[0-9a-f]+ has not reported for \d+\.\d s/);
      expect(of(await fence(id), 'eu-west-1')).toMatchObject({
        ...{ state: 'stored', seenBy: 0, gateways: 1 },
        laggards: [{ state: 'unknown' }],
      });
      const waiting = wait(id, '--timeout', '30');
      await wheel.kill('gateway-eu-west-1', 'SIGCONT');
      expect((await waiting.done).code).toBe(0);
      expect((await wheel.authenticate('eu-west-1', key.secret)).status).toBe(401);
    } finally {
      await wheel.kill('gateway-eu-west-1', 'SIGCONT');
    }
  });

  test('a publisher and a hub killed in between: what is waited for is in the database', async () => {
    const cluster = await newCluster(regions);
    const key = await create('/v1/agent-keys', { clusterId: cluster.id, name: 'k' });
    await until(
      async () => (await wheel.authenticate('eu-west-1', key.secret)).status === 200,
      'it is let in',
    );
    await wheel.kill('publisher', 'SIGSTOP');
    const gone = await wheel.api('DELETE', `/v1/agent-keys/${key.id}`);
    const id = gone.headers.get('spokecast-fence')!;
    const waiting = wait(id, '--timeout', '60');
    await until(async () => waiting.ended.stderr.includes('waiting for'), 'it waits');
    await wheel.kill('hub');
    await wheel.kill('publisher');
    const { code, stderr } = await waiting.done;
    expect(code, stderr).toBe(0);
    for (const region of regions) expect((await wheel.authenticate(region, key.secret)).status).toBe(401);
  });

  test('what is no fence, and whose key is refused, are told apart by exit codes', async () => {
    const unknown = await wait('fen_01k9c0v8w1e4qafk3s7m2t6xhz', '--timeout', '5').done;
    expect([unknown.code, unknown.stderr]).toEqual([66, expect.stringContaining('there is no fence')]);
    const gateways = await wheel.api('GET', '/v1/regions/eu-west-1/gateways');
    expect(gateways.body.items.filter((one: { state: string }) => one.state === 'live')).toHaveLength(1);
  });
});
