import { expect, test } from 'vitest';
import { clockAheadMs } from '../../publisher/clock-ahead.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test.each([
  ['the same', 0, 0],
  ['apart by less than the answer took', 49, 0],
  ['ahead', 5_000, 4_950],
  ['behind', -5_000, -4_950],
])('a clock that is %s, of an answer that takes 100 ms on its way', async (_how, aheadMs, told) => {
  const clock = new VirtualClock();
  const other = async () => {
    await clock.advance(50);
    const nowMs = clock.now() - aheadMs;
    await clock.advance(50);
    return nowMs;
  };
  expect(await clockAheadMs(clock, other)).toBe(told);
});
