import { describe, expect, test } from 'vitest';
import { KeyCache, type KeyRow } from '../../../hub/auth/key-cache.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** A table of keys whose reads wait until they are let go. */
function table() {
  const rows = new Map<string, string>();
  const waiting: (() => void)[] = [];
  const clock = new VirtualClock();
  let reads = 0;
  const find = (id: string) => {
    reads += 1;
    const name = rows.get(id); // as it was when the read began
    return new Promise<KeyRow | undefined>((resolve) =>
      waiting.push(() => resolve(name === undefined ? undefined : ({ id, name } as KeyRow))),
    );
  };
  const cache = new KeyCache({ find, clock, ttlMs: 5_000, entriesMax: 2 });
  const read = async (id: string) => {
    const result = cache.get(id);
    for (const answer of waiting.splice(0)) answer();
    return (await result)?.name;
  };
  return { rows, waiting, clock, cache, read, reads: () => reads };
}

describe('KeyCache', () => {
  test('asks once for requests that coincide, and once in its time to live', async () => {
    const { rows, cache, waiting, clock, read, reads } = table();
    rows.set('a', 'A');
    const both = [cache.get('a'), cache.get('a')];
    for (const answer of waiting.splice(0)) answer();
    expect((await Promise.all(both)).map((row) => row?.name)).toEqual(['A', 'A']);
    await clock.advance(4_999);
    expect(await read('a')).toBe('A');
    expect(reads()).toBe(1);
    await clock.advance(2);
    rows.delete('a');
    expect(await read('a')).toBeUndefined();
    expect(reads()).toBe(2);
  });

  test('remembers that there is none', async () => {
    const { cache, read, reads } = table();
    expect(cache.peek('b')).toBe('unknown');
    expect(await read('b')).toBeUndefined();
    expect(cache.peek('b')).toBeUndefined();
    expect(await read('b')).toBeUndefined();
    expect(reads()).toBe(1);
  });

  test('keeps nothing that was read while it was cleared', async () => {
    const { rows, cache, waiting, read } = table();
    rows.set('a', 'before');
    const underWay = cache.get('a');
    rows.set('a', 'after');
    cache.clear();
    for (const answer of waiting.splice(0)) answer();
    await underWay;
    expect(cache.peek('a')).toBe('unknown');
    expect(await read('a')).toBe('after');
  });

  test('holds a fixed number of keys', async () => {
    const { cache, read } = table();
    for (const id of ['a', 'b', 'c']) await read(id);
    expect(['a', 'b', 'c'].map((id) => cache.peek(id))).toEqual(['unknown', undefined, undefined]);
  });

  test('says once a minute that a use is to be noted', async () => {
    const { cache, clock } = table();
    expect([cache.isUseToNote('a'), cache.isUseToNote('a')]).toEqual([true, false]);
    await clock.advance(60_001);
    expect(cache.isUseToNote('a')).toBe(true);
  });
});
