import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import type { Random } from '../../contexts/base/random.ts';

/** What the hub knows of a request besides its content; logs and metrics are made of it. */
export interface RequestState {
  requestId: string;
  /** Where failed logins are counted: an IPv4 address, or the /64 network of an IPv6 address. */
  source: string;
  startedAt: number;
  /** The route's path pattern: a label with few values, unlike the path. */
  route: string;
  actorId: string | undefined;
  /** What is said with the answer, whatever it is. */
  headers?: Readonly<Record<string, string>>;
}

/** The id given in `spokecast-request-id`, so that a caller can follow its request, or a new one. */
export function requestIdOf(given: string | undefined, random: Random): string {
  if (given !== undefined && /^[A-Za-z0-9_-]{8,64}$/.test(given)) return given;
  return `req_${Buffer.from(random.bytes(12)).toString('hex')}`;
}

/**
 * The address a request comes from. With `proxyHops` proxies in front that each append to `x-forwarded-for`, it is
 * the entry that many from the right; what stands left of it was written by the client and proves nothing.
 */
export function sourceOf(
  incoming: Pick<IncomingMessage, 'socket'> | undefined,
  headers: IncomingHttpHeaders,
  proxyHops: number,
): string {
  let address = incoming?.socket.remoteAddress ?? 'unknown';
  if (proxyHops > 0) {
    const forwarded = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .map((part) => part.trim());
    address = forwarded.at(-proxyHops) || address;
  }
  return networkOf(address.replace(/^::ffff:(?=\d+\.)/i, ''));
}

/** One subscriber usually holds a whole /64, so that is what counts as one source. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address.slice(0, 64);
  const [head = '', tail] = address.split('%')[0]!.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
    .concat('::/64');
}
