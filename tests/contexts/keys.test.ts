import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isContextKey } from '../../contexts/keys.ts';
import { limits } from '../../contexts/limits.ts';
import { shardOf } from '../../contexts/shards.ts';

describe('keys of contexts', () => {
  test.each([
    ['a', true],
    ['ten_01k9c0v8w1e4qafk3s7m2t6xhz', true],
    ['a.b:c-d_e9', true],
    ['x'.repeat(limits.keyLengthMax), true],
    ['x'.repeat(limits.keyLengthMax + 1), false],
    ['', false],
    ['A', false],
    ['a b', false],
    ['a/b', false],
    ['a#b', false],
    ['ü', false],
    ['a\n', false],
    ['a\0', false],
  ])('%j: %s', (key, expected) => {
    expect(isContextKey(key)).toBe(expected);
  });

  test('sort in JavaScript as their bytes do', () => {
    const key = fc.stringMatching(/^[a-z0-9_.:-]{1,12}$/);
    fc.assert(
      fc.property(fc.array(key), (keys) => {
        const byBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(keys.toSorted()).toEqual(byBytes);
      }),
    );
  });
});

describe('shards', () => {
  test('are in range, always the same, and evenly filled', () => {
    const counts = new Array<number>(8).fill(0);
    for (let i = 0; i < 8_000; i++) {
      const shard = shardOf(`aki_${i}`, 8);
      expect(shardOf(`aki_${i}`, 8)).toBe(shard);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    expect(counts.reduce((sum, count) => sum + count)).toBe(8_000);
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });

  test('one shard takes everything', () => {
    expect(shardOf('anything', 1)).toBe(0);
  });
});
