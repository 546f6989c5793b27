import { BlockList, isIPv6 } from 'node:net';
import { plainAddress } from '../../contexts/networks.ts';

/**
 * Networks whose peers may say who a request came from (`SPOKECAST_TRUSTED_PROXIES`). What anybody else says about
 * that is a claim, and goes no further.
 */
export type TrustedProxies = readonly { address: string; prefix: number; family: 'ipv4' | 'ipv6' }[];

/** What this gateway itself knows of where a request came from. */
export interface Hop {
  /** The peer that this request came from. */
  remoteAddress: string;
  /** Whether that is a proxy whose word counts. */
  trusted: boolean;
  /** The `host` it was sent to. */
  host: string | undefined;
  protocol: 'http' | 'https';
  httpVersion: string;
}

/** The part of an incoming request that is looked at to tell where it came from. */
export interface Arrived {
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean };
  readonly headers: {
    readonly host?: string | undefined;
    readonly forwarded?: string | string[] | undefined;
    readonly 'x-forwarded-for'?: string | string[] | undefined;
  };
  readonly httpVersion: string;
}

/** Reads hops. What is the same for all requests of a connection is found out once. */
export class HopReader {
  readonly #trusted = new BlockList();
  readonly #peers = new WeakMap<object, Pick<Hop, 'remoteAddress' | 'trusted' | 'protocol'>>();

  constructor(trusted: TrustedProxies) {
    for (const { address, prefix, family } of trusted) this.#trusted.addSubnet(address, prefix, family);
  }

  read({ socket, headers, httpVersion }: Arrived): Hop {
    let peer = this.#peers.get(socket);
    if (peer === undefined) {
      const remoteAddress = plainAddress(socket.remoteAddress ?? '') ?? 'unknown';
      const trusted = remoteAddress !== 'unknown' && this.trusts(remoteAddress);
      peer = { remoteAddress, trusted, protocol: socket.encrypted ? 'https' : 'http' };
      this.#peers.set(socket, peer);
    }
    const { remoteAddress, trusted, protocol } = peer;
    return { remoteAddress, trusted, host: headers.host, protocol, httpVersion };
  }

  /** Whether a proxy at that plain address is believed. */
  trusts(address: string): boolean {
    return this.#trusted.check(address, familyOf(address));
  }
}

export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
