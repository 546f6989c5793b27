import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { assert } from './base/assert.ts';

/**
 * Networks that a key may be used from, as CIDR texts: `10.0.0.0/8`, `2001:db8::/32`, or a single address. The form
 * that is kept is canonical: with its length, in lower case, no bits set beyond the length.
 *
 * An IPv4 address is one also where a socket or a proxy shows it as IPv6 (`::ffff:192.0.2.1`). So a network of IPv6
 * never holds one, not even `::/0`: whoever means both names both.
 */
export interface Network {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly length: number;
}

/** Networks of one key at the most. */
export const networksMax = 64;

export type NetworkOutcome =
  | { outcome: 'network'; network: Network; canonical: string }
  /** `problem` fits behind the name of what is wrong. */
  | { outcome: 'invalid'; problem: string };

export function parseNetwork(text: string): NetworkOutcome {
  const invalid = (problem: string): NetworkOutcome => ({ outcome: 'invalid', problem });
  const [, host = '', lengthText] = /^([0-9a-fA-F:.]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const family = isIPv4(host) ? 'ipv4' : isIPv6(host) ? 'ipv6' : undefined;
  if (family === undefined) return invalid('must be a network like 10.0.0.0/8 or 2001:db8::/32');
  const longest = family === 'ipv4' ? 32 : 128;
  const length = lengthText === undefined ? longest : Number(lengthText);
  if (length > longest) return invalid(`must have a length of at most ${longest}`);
  const address = family === 'ipv4' ? host : canonicalIPv6(host);
  if (mappedIPv4(address) !== undefined)
    return invalid('must be written as a network of IPv4, as the addresses in it are');
  if (/1/.test(bitsOf(address, family).slice(length)))
    return invalid(`must have no bits set beyond its length of ${length}`);
  return { outcome: 'network', network: { family, address, length }, canonical: `${address}/${length}` };
}

/** Whether all of `inner` is in `outer`. What is no network is in none and holds none. */
export function covers(outer: string, inner: string): boolean {
  const [one, other] = [parseNetwork(outer), parseNetwork(inner)];
  if (one.outcome === 'invalid' || other.outcome === 'invalid') return false;
  const { family, address, length } = other.network;
  if (one.network.family !== family || one.network.length > length) return false;
  return new NetworkList([outer]).has(address);
}

/** Addresses are held against it. */
export class NetworkList {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  readonly texts: readonly string[];

  /** @param texts networks, all of them valid. */
  constructor(texts: readonly string[]) {
    this.texts = texts;
    for (const text of texts) {
      const parsed = parseNetwork(text);
      assert(parsed.outcome === 'network', `${JSON.stringify(text)} is no network`);
      const { family, address, length } = parsed.network;
      this.#lists[family].addSubnet(address, length, family);
    }
  }

  /** Whether an address is in one of the networks. What is no address is in none. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    if (plain === undefined) return false;
    const family = isIPv4(plain) ? 'ipv4' : 'ipv6';
    return this.#lists[family].check(plain, family);
  }
}

/** An address in its canonical form: IPv4 as such, no zone. Undefined for what is none. */
export function plainAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return undefined;
  const zone = text.indexOf('%');
  const address = canonicalIPv6(zone < 0 ? text : text.slice(0, zone));
  return mappedIPv4(address) ?? address;
}

function canonicalIPv6(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

/** The IPv4 address that a canonical IPv6 address stands for (RFC 4291 2.5.5.2). */
function mappedIPv4(address: string): string | undefined {
  const prefix = '::ffff:';
  const rest = address.startsWith(prefix) ? address.slice(prefix.length) : '';
  return isIPv4(rest) ? rest : undefined;
}

/** The bits of a canonical address, as digits. */
function bitsOf(address: string, family: Network['family']): string {
  const inBits = (number: number, width: number) => number.toString(2).padStart(width, '0');
  const ofIPv4 = (text: string) =>
    text
      .split('.')
      .map((byte) => inBits(Number(byte), 8))
      .join('');
  if (family === 'ipv4') return ofIPv4(address);
  const groups = (text: string) =>
    text
      .split(':')
      .filter((group) => group !== '')
      .map((group) => (group.includes('.') ? ofIPv4(group) : inBits(Number.parseInt(group, 16), 16)))
      .join('');
  const [head = '', tail] = address.split('::');
  if (tail === undefined) return groups(head);
  const [before, after] = [groups(head), groups(tail)];
  return before + '0'.repeat(128 - before.length - after.length) + after;
}
