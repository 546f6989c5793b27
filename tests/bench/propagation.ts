import { Agent, request } from 'undici';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { tombstone } from '../../contexts/envelope.ts';
import { newId } from '../../contexts/ids.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { percentile } from '../replication/support/watching.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';

const feedPollMs = 50;

/**
 * One change after another, committed by SQL: until each region's gateway answers with it. Beside it the floor of
 * any design of this kind on these parts: a listener that puts one item when it is notified, and a reader that
 * polls for it as often as a gateway polls its feed.
 */
export async function propagation({ changes }: { changes: number }): Promise<void> {
  await using wheel = await startWheel();
  const { agentKeyId, agentKey } = wheel.file.demo;
  const regions = wheel.file.regions.map((region) => region.id);
  const agent = new Agent({ connections: 8 });
  const permissionsAt = async (region: string): Promise<string> => {
    const { body } = await request(`${wheel.region(region).gateway.url}/v1/authenticate`, {
      headers: { authorization: `Bearer ${agentKey}` },
      dispatcher: agent,
    });
    return ((await body.json()) as { permissions: string[] }).permissions.join();
  };
  const change = async (name: string) => {
    await wheel.sql`update agent_keys set permissions = ${[name]} where id = ${agentKeyId}`;
    return systemClock.monotonic();
  };

  const latenciesMs: number[] = [];
  const bareMs: number[] = [];
  await using bare = await bareLoop(wheel);
  for (let i = 0; i < changes; i++) {
    const name = `c${i}`;
    const committedAt = await change(name);
    await Promise.all(
      regions.map(async (region) => {
        while ((await permissionsAt(region)) !== name) await systemClock.sleep(2);
        latenciesMs.push(systemClock.monotonic() - committedAt);
      }),
    );
    if (i % 4 === 0) bareMs.push(await bare.once());
    await systemClock.sleep(systemRandom.fraction() * feedPollMs); // no lockstep with the polls
    if (process.stdout.isTTY && i % 50 === 0) process.stdout.write(`\r${i} of ${changes} changes`);
  }
  if (process.stdout.isTTY) process.stdout.write('\r');
  const row = (what: string, numbers: readonly number[]) =>
    `${what.padEnd(40)} p50 ${percentile(numbers, 0.5).toFixed(1)} ms   p99 ${percentile(numbers, 0.99).toFixed(1)} ms   max ${Math.max(...numbers).toFixed(1)} ms   (${numbers.length})`;
  console.log(row('commit to gateway', latenciesMs));
  console.log(row('bare notify, put, poll', bareMs));
  const ratio = (p: number) => (percentile(latenciesMs, p) / percentile(bareMs, p)).toFixed(2);
  console.log(`ratio                                    p50 ${ratio(0.5)}      p99 ${ratio(0.99)}`);
  await agent.close();
}

async function bareLoop(wheel: TestWheel): Promise<{ once(): Promise<number> } & AsyncDisposable> {
  const { endpoint, table } = wheel.file.regions[0]!.store;
  const store = DynamoStore.connect({ table, endpoint, clock: systemClock, random: systemRandom });
  const key = newId('tenant', systemClock, systemRandom);
  let revision = 0;
  const listening = await wheel.sql.listen('bench_bare', () => {
    void store.put(tombstone({ kind: 'tenant', key, epoch: 1, revision: ++revision, builtAtMs: 0 }));
  });
  return {
    async once() {
      const wanted = revision + 1;
      await wheel.sql`select pg_notify('bench_bare', '')`;
      const startedAt = systemClock.monotonic();
      await systemClock.sleep(systemRandom.fraction() * feedPollMs); // wherever in its interval the poller is
      for (;;) {
        const { items } = await store.read([{ kind: 'tenant', key }]);
        const item = items.get(`tenant/${key}`);
        if (
          item?.state === 'context' &&
          item.envelope.version.includes(`.${String(wanted).padStart(16, '0')}.`)
        ) {
          return systemClock.monotonic() - startedAt;
        }
        await systemClock.sleep(feedPollMs);
      }
    },
    async [Symbol.asyncDispose]() {
      await listening.unlisten();
      await store[Symbol.asyncDispose]();
    },
  };
}
