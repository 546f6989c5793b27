import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { firstIdAt, type IdOf, idPrefixes, isId, newId } from '../../contexts/ids.ts';
import { isContextKey } from '../../contexts/keys.ts';
import { seededRandom } from '../support/samples.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('ids', () => {
  const clock = new VirtualClock();

  test.each(Object.keys(idPrefixes) as IdOf[])(
    'an id of a %s is one, of nothing else, and can be a key',
    (of) => {
      const id = newId(of, clock, systemRandom);
      expect(id).toMatch(new RegExp(`^${idPrefixes[of]}_[0-9a-z]{26}$`));
      for (const other of Object.keys(idPrefixes) as IdOf[]) expect(isId(other, id)).toBe(other === of);
      expect(isContextKey(id)).toBe(true);
    },
  );

  test('sort by the time they were made', async () => {
    const random = seededRandom(7);
    const ids: string[] = [];
    for (let i = 0; i < 200; i++) {
      ids.push(newId('tenant', clock, random));
      await clock.advance(i % 3 === 0 ? 1 : 1_000_003);
    }
    expect(ids.toSorted()).toEqual(ids);
  });

  test('begin anew with each millisecond: what a list from or until a moment begins at', async () => {
    const before = newId('auditEntry', clock, systemRandom);
    await clock.advance(1);
    const first = firstIdAt('auditEntry', clock.now());
    const after = newId('auditEntry', clock, systemRandom);
    expect([after, first, before].toSorted()).toEqual([before, first, after]);
    for (const ms of [Number.NEGATIVE_INFINITY, -1, 0, 1.5, 2 ** 48, Number.MAX_SAFE_INTEGER])
      expect(isId('auditEntry', firstIdAt('auditEntry', ms)), String(ms)).toBe(true);
  });

  test('do not collide within a millisecond', () => {
    const ids = new Set(Array.from({ length: 10_000 }, () => newId('agentKey', clock, systemRandom)));
    expect(ids.size).toBe(10_000);
  });

  test('hold the extremes', () => {
    const all = (byte: number) => ({
      fraction: () => 0,
      bytes: (count: number) => new Uint8Array(count).fill(byte),
    });
    const earliest = newId('tenant', new VirtualClock(0), all(0));
    const latest = newId('tenant', new VirtualClock(2 ** 48 - 1), all(255));
    expect(isId('tenant', earliest)).toBe(true);
    expect(isId('tenant', latest)).toBe(true);
    expect(earliest < latest).toBe(true);
  });

  test.each([
    [''],
    ['ten_'],
    ['ten_01k9c0v8w1e4qafk3s7m2t6xh'],
    ['ten_01k9c0v8w1e4qafk3s7m2t6xhzz'],
    ['ten_01K9C0V8W1E4QAFK3S7M2T6XHZ'],
    ['ten_01k9c0v8w1e4qafk3s7m2t6xhi'],
    ['ten-01k9c0v8w1e4qafk3s7m2t6xhz'],
    ['ten_01k9c0v8w1e4qafk3s7m2t6xhz\n'],
    ['aki_01k9c0v8w1e4qafk3s7m2t6xhz'],
  ])('%j is no id of a tenant', (text) => {
    expect(isId('tenant', text)).toBe(false);
  });
});
