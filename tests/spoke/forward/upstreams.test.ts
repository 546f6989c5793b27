import { describe, expect, test } from 'vitest';
import { Upstreams } from '../../../spoke/forward/upstreams.ts';
import type { Upstream } from '../../../spoke/prepared.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const upstream = (name: string, priority = 0, weight = 1): Upstream => ({
  origin: `http://${name}`,
  basePath: '',
  priority,
  weight,
});

/** Fractions in equal steps through [0, 1), so that shares are exact. */
function evenly(steps: number) {
  let step = 0;
  return { fraction: () => (step++ % steps) / steps, bytes: () => new Uint8Array() };
}

function world(steps = 100) {
  const clock = new VirtualClock();
  const settings = { failuresMax: 3, outMs: 10_000, connectionsMax: 2 };
  return { clock, upstreams: new Upstreams(settings, { clock, random: evenly(steps) }) };
}

function shares(upstreams: Upstreams, list: Upstream[], times: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { origin } = upstreams.choose(list)!;
    counts[origin] = (counts[origin] ?? 0) + 1;
  }
  return counts;
}

const [a, b, c] = [upstream('a', 0, 3), upstream('b', 0, 1), upstream('c', 1, 5)];
const fail = (upstreams: Upstreams, who: Upstream, times = 3) => {
  for (let i = 0; i < times; i++) upstreams.failed(who);
};

describe('choosing an upstream', () => {
  test('the first priority takes all, in proportion to the weights', () => {
    expect(shares(world().upstreams, [a, b, c], 100)).toEqual({ 'http://a': 75, 'http://b': 25 });
  });

  test('one that fails again and again is left alone, then tried by one request at a time', async () => {
    const { clock, upstreams } = world();
    fail(upstreams, a, 2);
    expect(upstreams.isOut(a.origin)).toBe(false);
    expect(upstreams.failed(a)).toBe('put-out');
    expect(upstreams.out).toBe(1);
    expect(shares(upstreams, [a, b, c], 50)).toEqual({ 'http://b': 50 });
    await clock.advance(10_001);
    expect(shares(upstreams, [a, b, c], 100)['http://a']).toBe(1);
    upstreams.answered(a);
    expect(shares(upstreams, [a, b, c], 100)['http://a']).toBe(75);
    expect(upstreams.out).toBe(0);
  });

  test('the next priority takes over where the first is out altogether', () => {
    const { upstreams } = world();
    fail(upstreams, a);
    fail(upstreams, b);
    expect(shares(upstreams, [a, b, c], 20)).toEqual({ 'http://c': 20 });
  });

  test('where all are out, none is', () => {
    const { upstreams } = world();
    for (const one of [a, b, c]) fail(upstreams, one);
    expect(shares(upstreams, [a, b, c], 100)).toEqual({ 'http://a': 75, 'http://b': 25 });
    expect(upstreams.choose([a])).toBe(a);
  });

  test('never one that was tried for this request', () => {
    const { upstreams } = world();
    expect(upstreams.choose([a, b], new Set([a]))).toBe(b);
    expect(upstreams.choose([a, b], new Set([a, b]))).toBe(undefined);
  });

  test('[law 8] one that is full is passed over; where all are, there is none', () => {
    const { upstreams } = world();
    const ends = [a, a, b, b].map((one) => upstreams.begin(one));
    expect(upstreams.choose([a, b, c])).toBe(c);
    expect(upstreams.choose([a, b])).toBe(undefined);
    ends[0]!();
    ends[0]!(); // twice is once
    expect(upstreams.choose([a, b])).toBe(a);
    upstreams.begin(a);
    expect(upstreams.choose([a, b])).toBe(undefined);
  });

  test('[law 8] remembers the failures of no more than ten thousand', () => {
    const { upstreams } = world();
    for (let i = 0; i < 10_005; i++) fail(upstreams, upstream(`u${i}`));
    expect(upstreams.out).toBe(10_000);
    expect(upstreams.isOut('http://u4')).toBe(false);
    expect(upstreams.isOut('http://u10004')).toBe(true);
  });
});
