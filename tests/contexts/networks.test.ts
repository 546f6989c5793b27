import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, NetworkList, parseNetwork } from '../../contexts/networks.ts';

describe('a network', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['192.0.2.1', '192.0.2.1/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:0db8:0000::', '2001:db8::/128'],
    ['::/0', '::/0'],
    ['2001:db8:8000::/33', '2001:db8:8000::/33'],
    ['::1', '::1/128'],
  ])('%s is %s', (text, canonical) => {
    expect(parseNetwork(text)).toMatchObject({ outcome: 'network', canonical });
    expect(parseNetwork(canonical)).toMatchObject({ outcome: 'network', canonical });
  });

  test.each([
    ['', 'must be a network like'],
    ['10.0.0.0/', 'must be a network like'],
    ['10.0.0/8', 'must be a network like'],
    ['010.0.0.0/8', 'must be a network like'],
    ['10.0.0.0/08', 'must be a network like'],
    ['10.0.0.0/8 ', 'must be a network like'],
    ['fe80::1%eth0', 'must be a network like'],
    ['example.com', 'must be a network like'],
    ['10.0.0.0/33', 'at most 32'],
    ['::/129', 'at most 128'],
    ['10.0.0.1/8', 'no bits set beyond its length of 8'],
    ['2001:db8::1/64', 'no bits set beyond its length of 64'],
    ['2001:db8:8000::/32', 'no bits set beyond its length of 32'],
    ['::ffff:10.0.0.0/104', 'as a network of IPv4'],
    ['::ffff:a00:0', 'as a network of IPv4'],
  ])('%s is none: %s', (text, problem) => {
    const parsed = parseNetwork(text);
    expect(parsed.outcome === 'invalid' ? parsed.problem : parsed).toContain(problem);
  });

  test('has no bits beyond its length, whatever the length, and a single one more is told', () => {
    const v4 = (bits: bigint) => [24n, 16n, 8n, 0n].map((by) => (bits >> by) & 255n).join('.');
    const v6 = (bits: bigint) =>
      Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 65535n).toString(16)).join(':');
    const cases = fc.oneof(fc.constant([32, v4] as const), fc.constant([128, v6] as const));
    const drawn = fc.bigInt({ min: 2n ** 125n, max: 2n ** 128n - 1n });
    fc.assert(
      fc.property(cases, drawn, fc.nat(128), fc.nat(127), ([width, write], bits, some, extra) => {
        const length = some % (width + 1);
        const beyond = BigInt(width - length);
        const base = ((bits >> BigInt(128 - width)) >> beyond) << beyond;
        const text = `${write(base)}/${length}`;
        const parsed = parseNetwork(text);
        expect(parsed.outcome, text).toBe('network');
        expect(new NetworkList([text]).has(write(base | (bits & ((1n << beyond) - 1n)))), text).toBe(true);
        if (length === width) return;
        const odd = `${write(base | (1n << BigInt(extra % (width - length))))}/${length}`;
        expect(parseNetwork(odd), odd).toMatchObject({ outcome: 'invalid' });
      }),
      { numRuns: 300 },
    );
  });
});

describe('an address in a list of networks', () => {
  const list = new NetworkList(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']);
  test.each([
    ['10.255.0.1', true],
    ['::ffff:10.1.2.3', true],
    ['::ffff:a01:203', true],
    ['::FFFF:0A01:0203', true],
    ['11.0.0.1', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['2001:db8:ffff::1', true],
    ['2001:DB8::1%eth0', true],
    ['2001:db9::1', false],
    ['unknown', false],
    ['', false],
    ['10.1.2.3:80', false],
  ])('%s: %s', (address, expected) => {
    expect(list.has(address)).toBe(expected);
  });

  test('everything of one family is nothing of the other', () => {
    const [all4, all6] = [new NetworkList(['0.0.0.0/0']), new NetworkList(['::/0'])];
    expect([all4.has('1.2.3.4'), all4.has('::ffff:1.2.3.4'), all4.has('::1')]).toEqual([true, true, false]);
    expect([all6.has('1.2.3.4'), all6.has('::ffff:1.2.3.4'), all6.has('::1')]).toEqual([false, false, true]);
    expect(new NetworkList([]).has('1.2.3.4')).toBe(false);
  });
});

test.each([
  ['10.0.0.0/8', '10.1.0.0/16', true],
  ['10.0.0.0/8', '10.0.0.0/8', true],
  ['10.0.0.0/8', '0.0.0.0/0', false],
  ['10.0.0.0/8', '11.0.0.0/16', false],
  ['::/0', '10.0.0.0/8', false],
  ['2001:db8::/32', '2001:db8:1::/48', true],
  ['nonsense', '10.0.0.0/8', false],
])('%s covers %s: %s', (outer, inner, expected) => {
  expect(covers(outer, inner)).toBe(expected);
});
