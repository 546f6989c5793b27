import { expect, test } from 'vitest';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import { awaitArrival } from '../../publisher/arrival.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const moved = [
  { clusterId: 'vci_1', regions: ['r1', 'r2'], arrives: true, leaves: true, fences: [] },
  { clusterId: 'vci_2', regions: ['r2'], arrives: true, leaves: true, fences: [] },
];

/** Asks for an arrival; `answers` says what a region holds at a time. Resolves with when it was over, and who was asked. */
async function arrival(answers: (region: string, atMs: number) => 'held' | 'lacking' | 'unknown') {
  const clock = new VirtualClock();
  const startedAt = clock.monotonic();
  const asked = new Set<string>();
  let overAt: number | undefined;
  const waiting = awaitArrival(moved, {
    ...{ clock, timeoutMs: 400, pollMs: 20 },
    lastKeys: async (clusterIds) => clusterIds.map((id) => `aki_last_of_${id}`),
    holds: async (region: string, refs: readonly ContextRef[]) => {
      for (const ref of refs) asked.add(`${region} ${refText(ref)}`);
      return answers(region, clock.monotonic() - startedAt);
    },
  }).then(() => {
    overAt = clock.monotonic() - startedAt;
  });
  while (overAt === undefined && clock.monotonic() - startedAt < 10_000) await clock.advance(10);
  await waiting;
  return { overAt, asked };
}

test('it is over as soon as every region has the clusters and their last keys', async () => {
  const { overAt, asked } = await arrival((region, atMs) => {
    const arrivesAt = region === 'r1' ? 60 : 120;
    return atMs >= arrivesAt ? 'held' : 'lacking';
  });
  expect(overAt).toBe(120);
  for (const region of ['r1', 'r2']) expect(asked).toContain(`${region} agent-key/aki_last_of_vci_1`);
  expect(asked).toContain('r2 cluster/vci_2');
});

test('[law 4] nobody waits long for a region that is slow, and not at all for one that cannot be asked', async () => {
  expect((await arrival(() => 'lacking')).overAt).toBe(400);
  expect((await arrival(() => 'unknown')).overAt).toBe(0);
});
