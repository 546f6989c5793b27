import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bucket, take } from '../../../contexts/base/rate-limit/bucket.ts';
import { rateLimitHeaders } from '../../../contexts/base/rate-limit/headers.ts';
import { LocalRateLimiter } from '../../../contexts/base/rate-limit/limiter.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const rate = { limit: 3, windowMs: 1_000 };

describe('a bucket', () => {
  test('grants a burst of the limit, then one every so often', () => {
    const bucket: Bucket = { level: 0, atMs: 0 };
    const at = (nowMs: number) => {
      const { outcome, remaining, moreInMs } = take(bucket, rate, nowMs);
      return [outcome, remaining, Math.round(moreInMs)];
    };
    expect(at(0)).toEqual(['within', 2, 333]);
    expect(at(0)).toEqual(['within', 1, 333]);
    expect(at(0)).toEqual(['within', 0, 333]);
    expect(at(0)).toEqual(['exceeded', 0, 333]);
    expect(at(300)).toEqual(['exceeded', 0, 33]);
    expect(at(334)).toEqual(['within', 0, 333]);
    expect(at(335), 'what is refused costs nothing').toEqual(['exceeded', 0, 332]);
    expect(at(10_000), 'whole again').toEqual(['within', 2, 333]);
  });

  test('goes on under a limit that has changed', () => {
    const bucket: Bucket = { level: 0, atMs: 0 };
    for (let times = 0; times < 3; times++) take(bucket, rate, 0);
    expect(take(bucket, { limit: 10, windowMs: 1_000 }, 0)).toMatchObject({
      outcome: 'within',
      remaining: 6,
    });
    expect(take(bucket, { limit: 2, windowMs: 1_000 }, 0)).toMatchObject({
      outcome: 'exceeded',
      remaining: 0,
    });
  });

  test('is the algorithm in its other form, virtual scheduling in whole numbers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 100 }).map((seconds) => seconds * 1_000),
        fc.array(fc.oneof(fc.nat(3), fc.nat(2_000), fc.nat(200_000)), { maxLength: 200 }),
        (limit, windowMs, gaps) => {
          const bucket: Bucket = { level: 0, atMs: 0 };
          // The theoretical arrival time, in milliseconds times `limit`: nothing is ever rounded.
          let arrival = 0;
          let nowMs = 0;
          let granted = 0;
          for (const gap of gaps) {
            nowMs += gap;
            const next = Math.max(arrival, nowMs * limit) + windowMs;
            const conforms = next - nowMs * limit <= windowMs * limit;
            if (conforms) arrival = next;
            const state = take(bucket, { limit, windowMs }, nowMs);
            expect(state.outcome).toBe(conforms ? 'within' : 'exceeded');
            expect(state.moreInMs).toBeGreaterThan(0);
            granted += conforms ? 1 : 0;
            expect(granted).toBeLessThanOrEqual(limit + Math.ceil((nowMs * limit) / windowMs));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('the headers of the draft, in whole seconds', () => {
  const seconds = { rate: { limit: 100, windowMs: 60_000 }, moreInMs: 600 };
  expect(rateLimitHeaders({ ...seconds, outcome: 'within', remaining: 37 }, 'agent-key')).toEqual({
    'ratelimit-policy': '"agent-key";q=100;w=60',
    ratelimit: '"agent-key";r=37;t=1',
  });
  expect(
    rateLimitHeaders({ ...seconds, outcome: 'exceeded', remaining: 0, moreInMs: 2_001 }, 'agent-key'),
  ).toMatchObject({
    ratelimit: '"agent-key";r=0;t=3',
    'retry-after': '3',
  });
});

test('[law 8] a limiter counts so many keys and no more; by the monotonic clock', async () => {
  const clock = new VirtualClock();
  const limiter = new LocalRateLimiter({ clock, keysMax: 100 });
  for (let n = 0; n < 1_000; n++) limiter.take(`aki_${n}`, { limit: 1, windowMs: 1_000 });
  expect(limiter.keys).toBe(100);
  const again = (key: string) => limiter.take(key, { limit: 1, windowMs: 1_000 }).outcome;
  expect(again('aki_999')).toBe('exceeded');
  clock.stepWall(3_600_000);
  expect(again('aki_999')).toBe('exceeded');
  await clock.advance(1_000);
  expect(again('aki_999')).toBe('within');
});
