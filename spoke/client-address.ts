import { plainAddress } from '../contexts/networks.ts';
import { type Arrived, HopReader, type TrustedProxies } from './forward/hop.ts';

/**
 * Where a request comes from, by the rules that forwarding has: what proxies say of it counts if they are trusted
 * (`SPOKECAST_TRUSTED_PROXIES`), hop by hop from the nearest one. The first that is no trusted proxy is the client;
 * what that one says itself is a claim.
 *
 * Where `x-forwarded-for` and `Forwarded` (RFC 7239) disagree, or the next hop's name is no address, nobody can tell:
 * a proxy sets one of them, and the other is what the client has sent.
 */
export class ClientAddresses {
  readonly #hops: HopReader;

  constructor(trusted: TrustedProxies) {
    this.#hops = new HopReader(trusted);
  }

  of(arrived: Arrived): string | undefined {
    const { remoteAddress, trusted } = this.#hops.read(arrived);
    if (remoteAddress === 'unknown') return undefined;
    if (!trusted) return remoteAddress;
    const { 'x-forwarded-for': plain, forwarded } = arrived.headers;
    const byPlain = plain === undefined ? remoteAddress : this.#client(listOf(plain), addressIn);
    if (forwarded === undefined) return byPlain;
    const byForwarded = this.#client(listOf(forwarded), (element) => {
      const [, name] = forParameter.exec(element) ?? [];
      return name === undefined ? undefined : addressIn(name);
    });
    return plain === undefined || byPlain === byForwarded ? byForwarded : undefined;
  }

  /** The last of `hops` that is no trusted proxy, or the first of all. */
  #client(hops: readonly string[], read: (hop: string) => string | undefined): string | undefined {
    let address: string | undefined;
    for (let at = hops.length - 1; at >= 0; at--) {
      address = read(hops[at]!);
      if (address === undefined || !this.#hops.trusts(address)) return address;
    }
    return address;
  }
}

const forParameter = /(?:^|;)\s*for\s*=\s*"?([^";]+)"?\s*(?:;|$)/i;

function listOf(header: string | readonly string[]): string[] {
  return [header].flat().join(',').split(',');
}

/** The address that a hop is named by, with or without brackets and a port. */
function addressIn(name: string): string | undefined {
  const [, bracketed, bare] = /^\[([^\]]*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(name.trim()) ?? [];
  return plainAddress(bracketed ?? bare ?? name.trim());
}
