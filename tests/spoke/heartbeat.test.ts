import { expect, test, vi } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { announcementOf, context, gone, owner, publish } from './support/contexts.ts';
import { gatewayWorld } from './support/gateway-world.ts';

const beat = (revision: number, agoMs: number) =>
  context('heartbeat', owner.region, revision, { atMs: systemClock.now() - agoMs });

async function metric(url: string, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

test('[law 7] its age is that of the newest one read, goes on growing while the store is gone, and none is invented', async () => {
  await using world = await gatewayWorld({ initialised: true });
  const age = () => metric(world.url, 'spokecast_heartbeat_age_seconds');
  const arrived = () => metric(world.url, 'spokecast_heartbeat_lag_seconds_count');
  await vi.waitFor(async () => expect(await age(), 'the region has none').toBeUndefined(), 30_000);

  await publish(world.store.inner, beat(1, 30_000));
  await vi.waitFor(async () => expect(await age()).toBeGreaterThan(29), 30_000);
  expect(await arrived(), 'how old the first was says nothing of the way').toBe(0);

  await publish(world.store.inner, beat(2, 200));
  await vi.waitFor(async () => expect(await age()).toBeLessThan(5), 30_000);
  expect(await arrived()).toBe(1);
  expect(await metric(world.url, 'spokecast_heartbeat_lag_seconds_sum')).toBeGreaterThan(0.19);

  await world.store.inner.announce([announcementOf(beat(2, 0))], systemClock.now());
  await systemClock.sleep(100);
  expect(await arrived(), 'the same one, announced again').toBe(1);

  world.store.outage();
  const before = (await age())!;
  await systemClock.sleep(300);
  expect(await age()).toBeGreaterThan(before + 0.25);
});

test('before the store was ever read its age is that of the gateway', async () => {
  await using world = await gatewayWorld();
  await systemClock.sleep(120);
  expect(await metric(world.url, 'spokecast_heartbeat_age_seconds')).toBeGreaterThan(0.1);
});

test('one that is gone is no news: the age of the last goes on', async () => {
  await using world = await gatewayWorld({ initialised: true });
  const age = () => metric(world.url, 'spokecast_heartbeat_age_seconds');
  await publish(world.store.inner, beat(1, 3_000));
  await vi.waitFor(async () => expect(await age()).toBeGreaterThan(2.9), 30_000);
  await vi.waitFor(async () => expect(world.gateway.cache.stats().entries).toBe(1), 30_000);
  await publish(world.store.inner, gone('heartbeat', owner.region, 2));
  await vi.waitFor(() => expect(world.gateway.cache.stats().negatives).toBe(1));
  expect(await age()).toBeGreaterThan(2.9);
});
