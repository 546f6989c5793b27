import { describe, expect, test } from 'vitest';
import { AssertionError, assert, unreachable } from '../../../contexts/base/assert.ts';
import { chunked, settleBounded } from '../../../contexts/base/bounded.ts';
import { systemClock, timestamp } from '../../../contexts/base/clock.ts';
import { problem, problemResponse } from '../../../contexts/base/problem.ts';
import { jittered, systemRandom } from '../../../contexts/base/random.ts';
import { reachableUrl } from '../../../contexts/base/reachable-url.ts';
import { Gate } from '../../support/gate.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('assert', () => {
  test('throws what it says, only where the condition fails', () => {
    expect(() => assert(true, 'no')).not.toThrow();
    expect(() => assert(0, 'zero is none')).toThrow(new AssertionError('zero is none'));
    expect(() => unreachable('x' as never, 'outcome')).toThrow('unexpected outcome: "x"');
  });
});

describe('the system clock', () => {
  test('a sleep ends at once when it is aborted, before or during', async () => {
    await systemClock.sleep(60_000, AbortSignal.abort());
    const abort = new AbortController();
    const sleeping = systemClock.sleep(60_000, abort.signal);
    abort.abort();
    await sleeping;
  });

  test('a timer fires once, unless cancelled', async () => {
    const fired: string[] = [];
    systemClock.timer(0, () => fired.push('cancelled')).cancel();
    systemClock.timer(1, () => fired.push('fired'));
    await expect.poll(() => fired).toEqual(['fired']);
  });

  test('a timestamp is RFC 3339 in UTC', () => {
    expect(timestamp(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(timestamp(1_900_000_000_123)).toBe('2030-03-17T17:46:40.123Z');
  });
});

describe('randomness', () => {
  test('a fraction is in [0, 1), bytes are as many as asked', () => {
    for (let i = 0; i < 100; i++) {
      const fraction = systemRandom.fraction();
      expect(fraction >= 0 && fraction < 1).toBe(true);
    }
    expect(systemRandom.bytes(33)).toHaveLength(33);
  });

  test('bytes are drawn once, however many were drawn before, and stay as they were', () => {
    const drawn = Array.from({ length: 1000 }, (_, at) => systemRandom.bytes(at % 3 === 0 ? 5000 : 33));
    const texts = drawn.map((bytes) => Buffer.from(bytes).toString('hex'));
    systemRandom.bytes(4096);
    expect(drawn.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(texts);
    const runs = drawn.flatMap((bytes) => [bytes.subarray(0, 16), bytes.subarray(-16)]);
    expect(new Set(runs.map((run) => Buffer.from(run).toString('hex'))).size).toBe(runs.length);
  });

  test.each([
    [0, 80],
    [0.5, 100],
    [0.999999, 120],
  ])('jitter at %d moves 100 ms by a fifth to about %d', (fraction, expected) => {
    expect(jittered({ ...systemRandom, fraction: () => fraction }, 100, 0.2)).toBeCloseTo(expected, 2);
  });
});

describe('problems', () => {
  test('are RFC 9457 documents with our code', async () => {
    const document = problem(409, 'ALREADY_EXISTS', 'It exists', { detail: 'ten_1' });
    expect(document).toEqual({
      type: 'urn:spokecast:problem:already-exists',
      title: 'It exists',
      status: 409,
      code: 'ALREADY_EXISTS',
      detail: 'ten_1',
    });
    const response = problemResponse(document, { 'retry-after': '1', 'content-type': 'text/plain' });
    expect(response.status).toBe(409);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toEqual(document);
  });
});

describe('bounded work [law 8]', () => {
  test('runs so many at a time, keeps the order, and waits for all though some fail', async () => {
    const gate = new Gate();
    let running = 0;
    let most = 0;
    const settled = settleBounded([1, 2, 3, 4, 5], 2, async (item) => {
      most = Math.max(most, ++running);
      await gate.pass();
      await settle();
      running -= 1;
      if (item === 2) throw new Error('two');
      return item * 10;
    });
    await gate.reached(2);
    await settle();
    expect(gate.arrived).toBe(2);
    gate.open();
    const results = await settled;
    expect(most).toBe(2);
    expect(results.map((one) => (one.status === 'fulfilled' ? one.value : 'failed'))).toEqual([
      10,
      'failed',
      30,
      40,
      50,
    ]);
    expect(await settleBounded([], 3, async () => 1)).toEqual([]);
  });

  test('chunks are of the size asked, the last of what is left', () => {
    expect(chunked([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
    expect(chunked([], 2)).toEqual([]);
  });
});

test.each([
  ['0.0.0.0', 'http://127.0.0.1:80'],
  ['::', 'http://127.0.0.1:80'],
  ['10.0.0.7', 'http://10.0.0.7:80'],
  ['::1', 'http://[::1]:80'],
  ['localhost', 'http://localhost:80'],
])('what listens at %s is reached at %s', (host, url) => {
  expect(reachableUrl('http', host, 80)).toBe(url);
});
