import { expect, test } from 'vitest';
import { Lane } from '../../publisher/hand-over.ts';
import type { RefreshJob } from '../../publisher/jobs.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const job = (key: string, tightens = false): RefreshJob => ({
  refs: [['agent-key', key]],
  tightens,
  changedAtMs: 0,
});

function laneOf(more: { isOpen?: boolean; publish?: (key: string) => Promise<void> }) {
  const published: string[] = [];
  const clock = new VirtualClock();
  const lane = new Lane({
    isOpen: () => more.isOpen ?? true,
    clock,
    publish: async ({ refs }) => {
      await more.publish?.(refs[0]![1]);
      published.push(refs[0]![1]);
    },
  });
  return { lane, published, clock };
}

test('what is handed over is published in its order', async () => {
  const { lane, published } = laneOf({});
  expect(await lane.take([job('aki_1', true), job('aki_2')])).toBe('published');
  expect(published).toEqual(['aki_1', 'aki_2']);
});

test('nothing is taken by a region that is not open', () => {
  expect(laneOf({ isOpen: false }).lane.take([job('aki_1', true)])).toBe('left');
});

test('what loosens overtakes nothing that was queued just now; what tightens does', async () => {
  const { lane, published, clock } = laneOf({});
  lane.queued();
  expect(await lane.take([job('aki_1', true)])).toBe('published');
  expect(lane.take([job('aki_2', true), job('aki_3')])).toBe('left');
  await clock.advance(500);
  expect(await lane.take([job('aki_4')])).toBe('published');
  expect(published).toEqual(['aki_1', 'aki_4']);
});

test('what fails is left, and the next is published', async () => {
  const { lane, published } = laneOf({
    publish: async (key) => {
      if (key === 'aki_1') throw new Error('the store does not answer');
    },
  });
  expect(await lane.take([job('aki_1', true)])).toBe('left');
  expect(await lane.take([job('aki_2', true)])).toBe('published');
  expect(published).toEqual(['aki_2']);
});

test('[law 4] [law 8] a region that hangs keeps four, and leaves the rest to its queue', async () => {
  let answer!: () => void;
  const hung = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { lane } = laneOf({ publish: () => hung });
  const taken = Array.from({ length: 6 }, (_, n) => lane.take([job(`aki_${n}`, true)]));
  expect(taken.filter((outcome) => outcome === 'left')).toHaveLength(2);
  answer();
  await Promise.all(taken);
  expect(await lane.take([job('aki_9', true)])).toBe('published');
});
