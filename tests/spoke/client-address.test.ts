import { describe, expect, test } from 'vitest';
import { ClientAddresses } from '../../spoke/client-address.ts';
import type { TrustedProxies } from '../../spoke/forward/hop.ts';

const trusted: TrustedProxies = [
  { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
  { address: 'fd00::', prefix: 8, family: 'ipv6' },
];
const addresses = new ClientAddresses(trusted);
const at = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  addresses.of({ socket: { remoteAddress }, headers, httpVersion: '1.1' });
const plain = (list: string) => ({ 'x-forwarded-for': list });

describe('the address of a client', () => {
  test.each<[name: string, seen: string | undefined, expected: string | undefined]>([
    ['a stranger at the socket', at('203.0.113.9'), '203.0.113.9'],
    ['as IPv6', at('::ffff:203.0.113.9'), '203.0.113.9'],
    ['a connection that is gone', at(undefined), undefined],
    ['a stranger who says otherwise', at('203.0.113.9', plain('10.0.0.1')), '203.0.113.9'],
    ['a proxy that says nothing', at('10.0.0.1'), '10.0.0.1'],
    ['one proxy', at('10.0.0.1', plain('203.0.113.9')), '203.0.113.9'],
    ['two proxies', at('fd00::1', plain('203.0.113.9, 10.0.0.2')), '203.0.113.9'],
    ['a claim before them', at('10.0.0.1', plain('192.0.2.1, 203.0.113.9,10.0.0.2')), '203.0.113.9'],
    ['a claim in the name of a proxy', at('10.0.0.1', plain('10.0.0.9, 203.0.113.9')), '203.0.113.9'],
    ['proxies alone', at('10.0.0.1', plain('10.0.0.7, 10.0.0.2')), '10.0.0.7'],
    ['with a port', at('10.0.0.1', plain('203.0.113.9:4711')), '203.0.113.9'],
    ['in brackets', at('10.0.0.1', plain('[2001:db8::1]:4711')), '2001:db8::1'],
    ['without', at('10.0.0.1', plain('2001:DB8::1')), '2001:db8::1'],
    ['mapped', at('10.0.0.1', plain('::ffff:203.0.113.9')), '203.0.113.9'],
    ['what is no address', at('10.0.0.1', plain('203.0.113.9, unknown')), undefined],
    ['nothing', at('10.0.0.1', plain('')), undefined],
    ['a claim that is no address', at('10.0.0.1', plain('nonsense, 203.0.113.9')), '203.0.113.9'],
    ['RFC 7239', at('10.0.0.1', { forwarded: 'for=203.0.113.9;proto=https' }), '203.0.113.9'],
    [
      'its last',
      at('10.0.0.1', { forwarded: 'for=1.1.1.1, proto=http;For="[2001:db8::1]:80"' }),
      '2001:db8::1',
    ],
    ['one without it', at('10.0.0.1', { forwarded: 'for=203.0.113.9, proto=http' }), undefined],
    ['a hidden one', at('10.0.0.1', { forwarded: 'for=_hidden' }), undefined],
    [
      'a quote left open before the last',
      at('10.0.0.1', { forwarded: 'for="10.0.0.5, for=203.0.113.9' }),
      '203.0.113.9',
    ],
    [
      'both, that agree',
      at('10.0.0.1', { ...plain('203.0.113.9'), forwarded: 'for=203.0.113.9' }),
      '203.0.113.9',
    ],
    [
      'both, that do not: one of them is the client’s',
      at('10.0.0.1', { ...plain('203.0.113.9'), forwarded: 'for=192.0.2.1' }),
      undefined,
    ],
  ])('%s', (_name, seen, expected) => {
    expect(seen).toBe(expected);
  });
});
