import { lookup as systemLookup } from 'node:dns';
import type { Agent as HttpAgent } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { NetworkList, plainAddress } from '../../contexts/networks.ts';
import { loopback } from '../../contexts/upstream-networks.ts';

export interface UpstreamNetworks {
  denied: readonly string[];
  /** Beside these nothing is allowed; undefined for no such bound. */
  allowed: readonly string[] | undefined;
  loopback: 'denied' | 'allowed';
}

/** Instead of a connection. Who names upstreams is not told what they resolve to: this is for the operator. */
export class UpstreamDeniedError extends Error {
  override name = 'UpstreamDeniedError';
  /** As the upstream is named, and the first of the addresses that it has. */
  readonly host: string;
  readonly address: string;

  constructor(host: string, address: string) {
    super(`${host} is at ${address}, where this gateway connects to no upstream`);
    this.host = host;
    this.address = address;
  }
}

/**
 * How connections to upstreams are made: to no address that is denied (docs/adr/0046-upstream-networks.md).
 *
 * A name is judged by the addresses that it has as the connection is made, and the connection is made to those very
 * addresses: nobody resolves it a second time. An address that stands in the place of a name is never looked up, so
 * it is judged before. All of it is done once a connection, not once a request.
 */
export class Dialling {
  readonly #denied: NetworkList;
  readonly #allowed: NetworkList | undefined;
  readonly #resolve: LookupFunction;

  constructor(networks: UpstreamNetworks, resolve: LookupFunction = systemLookup as LookupFunction) {
    const { denied, allowed } = networks;
    this.#denied = new NetworkList(networks.loopback === 'denied' ? [...denied, ...loopback] : denied);
    this.#allowed = allowed && new NetworkList(allowed);
    this.#resolve = resolve;
  }

  judge(address: string): 'allowed' | 'denied' {
    const plain = plainAddress(address);
    if (plain === undefined || this.#denied.has(plain)) return 'denied';
    return this.#allowed === undefined || this.#allowed.has(plain) ? 'allowed' : 'denied';
  }

  /** For undici. */
  connector(timeoutMs: number): buildConnector.connector {
    // An upstream speaks what its URL says.
    const connect = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: this.#lookup });
    return (options, callback) => {
      const denied = this.#deniedLiteral(options.hostname);
      if (denied === undefined) connect(options, callback);
      else process.nextTick(callback, denied, null);
    };
  }

  /** For node's own client: the agent, made to connect by these rules. */
  guard<Agent extends HttpAgent>(agent: Agent): Agent {
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (options, callback) => {
      const denied = this.#deniedLiteral(options.host ?? '');
      if (denied === undefined) return connect({ ...options, lookup: this.#lookup }, callback);
      // Whoever gets an error is not given a connection; the types do not say so.
      if (callback) process.nextTick(callback as (error: Error) => void, denied);
      return undefined;
    };
    return agent;
  }

  #deniedLiteral(host: string): UpstreamDeniedError | undefined {
    const denied = isIP(host) !== 0 && this.judge(host) === 'denied';
    return denied ? new UpstreamDeniedError(host, host) : undefined;
  }

  /** As `dns.lookup`, without the addresses that are denied. */
  readonly #lookup: LookupFunction = (host, options, callback) => {
    this.#resolve(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
      const allowed = addresses.filter(({ address }) => this.judge(address) === 'allowed');
      const [first] = allowed;
      if (first === undefined)
        return callback(new UpstreamDeniedError(host, addresses[0]?.address ?? ''), []);
      if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
