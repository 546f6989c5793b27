import type { RateLimit } from '../contexts/base/rate-limit/bucket.ts';
import type { Body } from '../contexts/kinds/index.ts';
import { NetworkList } from '../contexts/networks.ts';
import { noVerifier } from '../contexts/secrets.ts';

/** What most agent keys do not have. A key without any of it is looked at no further. */
export interface KeyBounds {
  /** Secrets beside the present one; none of them is found by the hash of another. */
  readonly retiring: readonly { readonly verifier: string; readonly endsAtMs: number }[];
  /** Where it may be used from; undefined for anywhere. */
  readonly networks: NetworkList | undefined;
  /** How many requests it is granted; undefined for any number. */
  readonly rateLimit: RateLimit | undefined;
}

/** Bytes that node's list of networks takes, and each network in it. */
const listBytes = 9_000;
const networkBytes = 200;

/** The verifier of the present secret, what bounds the key, and the bytes that it takes beside its text. */
export function readBounds(body: Body<'agent-key'>): {
  verifier: string;
  bounds: KeyBounds | undefined;
  boundsBytes: number;
} {
  const { verifier, verifiers, allowedNetworks, rateLimit } = body;
  const isPlain = verifiers === undefined && allowedNetworks === undefined && rateLimit === undefined;
  if (isPlain) return { verifier, bounds: undefined, boundsBytes: 0 };
  const secrets = verifiers ?? [{ verifier, endsAtMs: null }];
  const present = secrets.find(({ endsAtMs }) => endsAtMs === null)?.verifier ?? noVerifier;
  const retiring = secrets
    .filter((secret) => secret.verifier !== present)
    .map((secret) => ({ verifier: secret.verifier, endsAtMs: secret.endsAtMs ?? Number.POSITIVE_INFINITY }));
  const networks = allowedNetworks && new NetworkList(allowedNetworks);
  const boundsBytes =
    200 * secrets.length + (networks ? listBytes + networkBytes * allowedNetworks.length : 0);
  return { verifier: present, bounds: { retiring, networks, rateLimit }, boundsBytes };
}
