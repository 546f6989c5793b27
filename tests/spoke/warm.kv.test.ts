import { randomBytes } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { chunked } from '../../contexts/base/bounded.ts';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { startDynalite } from '../support/dynalite.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { allOf, gone, initialise, keyContext, newDemo, publish } from './support/contexts.ts';
import { GatewayProcess } from './support/gateway-process.ts';

test('[law 5] --warm all reads the region before it is ready, with progress, and then needs no store; SIGHUP does not end it', async () => {
  await using dynalite = await startDynalite();
  const table = `spokecast-test-${randomBytes(4).toString('hex')}`;
  await using publisher = DynamoStore.connect({
    ...{ table, endpoint: dynalite.endpoint, clock: systemClock, random: systemRandom },
    ...{ requestTimeoutMs: 5_000, connectionTimeoutMs: 1_000 },
  });
  await initialise(publisher);
  const shared = newDemo();
  await publish(publisher, ...allOf(shared, 1));
  const { tenantId, clusterId } = shared;
  const demos = Array.from({ length: 400 }, () => ({ ...newDemo(), tenantId, clusterId }));
  for (const some of chunked(demos, 40))
    await Promise.all(some.map((demo) => publisher.put(keyContext(demo, 1))));
  await publisher.put(gone('agent-key', demos[0]!.keyId, 2));

  await using proxy = await new TcpProxy(Number(new URL(dynalite.endpoint).port)).start();
  await using gateway = await GatewayProcess.start({
    endpoint: `http://127.0.0.1:${proxy.port}`,
    table,
    args: ['--warm', 'all'],
  });
  await gateway.ready();
  const told = /"contexts":403,"durationMs":\d+,"msg":"the region is read"/; // the log comes on another way
  await vi.waitFor(() => expect(gateway.output).toMatch(told), { timeout: 30_000 });
  await proxy.stop();
  const statuses = await Promise.all(demos.map(({ secret }) => gateway.status(secret)));
  expect(statuses[0]).toBe(401);
  expect(new Set(statuses.slice(1))).toEqual(new Set([200]));

  process.kill(gateway.pid, 'SIGHUP'); // which ends a process that says nothing to it
  await vi.waitFor(() => expect(gateway.output).toContain('SIGHUP: there is nothing to read again'), {
    timeout: 30_000,
  });
  expect(await gateway.status(demos[1]!.secret)).toBe(200);

  await proxy.start();
  await publish(publisher, gone('agent-key', demos[1]!.keyId, 2));
  await vi.waitFor(async () => expect(await gateway.status(demos[1]!.secret)).toBe(401), { timeout: 30_000 });
});
