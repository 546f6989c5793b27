import type { RateState } from '../contexts/base/rate-limit/bucket.ts';
import { verifierMatches } from '../contexts/secrets.ts';
import type { FailedOutcome, Lookup } from './cache/outcomes.ts';
import type { Credential } from './credentials.ts';
import type { KeyBounds } from './key-bounds.ts';
import type { PreparedAgentKey, PreparedCluster, PreparedTenant } from './prepared.ts';
import { satisfies } from './require-expression.ts';
import type { Requirement } from './requirements.ts';

/**
 * The decision about a request. Pure, and in two steps, because what a key points at is looked up only for those
 * who have shown the key's secret: everybody else learns nothing but 401, and costs one look-up.
 *
 * The order of the checks is the order of what may be told: who does not hold the secret is not told where the key
 * may be used, who uses it from elsewhere is not told that it has expired, who holds an expired key is not told of
 * its tenant.
 */
export const refusals = {
  /** No credential at all. */
  NO_CREDENTIAL: 401,
  /** Not of an agent key's form. */
  MALFORMED: 401,
  /** No such key here, or it was revoked. */
  NOT_FOUND: 401,
  /** The key exists, the secret is another. Told as NOT_FOUND: whether a key exists is not for strangers. */
  WRONG_SECRET: 401,
  /** The key may not be used from where the request comes from. Told before anything else of the key is. */
  FORBIDDEN: 403,
  EXPIRED: 401,
  DISABLED: 403,
  TENANT_SUSPENDED: 403,
  CLUSTER_DISABLED: 403,
  /** The path names another cluster than the key's. */
  WRONG_CLUSTER: 403,
  /** What the request requires cannot be read. Told to those alone who hold a good key. */
  BAD_REQUIRE: 400,
  INSUFFICIENT_PERMISSIONS: 403,
  /** The key was granted as many requests as it may be for now. */
  RATE_LIMITED: 429,
  /** The key is good, but its cluster or tenant has not arrived. Not a denial. */
  DANGLING: 503,
  /** And these give no answer either, because there is none to be had now. */
  OVERLOADED: 503,
  UNAVAILABLE: 503,
  NOT_WHOLE: 503,
  BEHIND: 503,
  UNDECODABLE: 503,
} as const;
export type RefusalCode = keyof typeof refusals;

export type Decision =
  | {
      readonly outcome: 'granted';
      readonly key: PreparedAgentKey;
      readonly cluster: PreparedCluster;
      /** Of the secret that was shown, if that is a retiring one. */
      readonly retiring?: string;
      /** Of a key that has a limit. */
      readonly rate?: RateState;
    }
  | {
      readonly outcome: 'refused';
      readonly code: RefusalCode;
      /** Says more than the code, where that depends on the request. */
      readonly problem?: string;
      readonly rate?: RateState;
    };

const refused = Object.fromEntries(
  Object.keys(refusals).map((code) => [code, { outcome: 'refused', code }]),
) as unknown as { readonly [Code in RefusalCode]: { readonly outcome: 'refused'; readonly code: Code } };

const unanswered = {
  overloaded: refused.OVERLOADED,
  unavailable: refused.UNAVAILABLE,
  'not-whole': refused.NOT_WHOLE,
  behind: refused.BEHIND,
  undecodable: refused.UNDECODABLE,
} as const satisfies Record<FailedOutcome, Decision>;

/** The refusal of a request that shows nothing to look up, or the credential that is to be looked up. */
export function decideCredential(credential: Credential): Decision | undefined {
  if (credential.state === 'absent') return refused.NO_CREDENTIAL;
  if (credential.state === 'malformed') return refused.MALFORMED;
  return undefined;
}

/**
 * The refusal that the key alone gives, or undefined: then its tenant and its cluster have to be asked.
 * `address` is where the request comes from; undefined where nobody can tell. It is looked at for keys with networks.
 */
export function decideKey(
  secret: string,
  key: Lookup<PreparedAgentKey>,
  nowMs: number,
  address?: string,
): Decision | undefined {
  if (key.state === 'failed') return unanswered[key.outcome];
  if (key.state === 'absent') return refused.NOT_FOUND;
  const shown = shownVerifier(secret, key.value);
  if (shown === undefined) return refused.WRONG_SECRET;
  return decideState(shown, key.value, nowMs, address);
}

/** As {@link decideKey}, for somebody who has shown the secret of `verifier` before. */
export function decideKeyAgain(
  verifier: string,
  key: Lookup<PreparedAgentKey>,
  nowMs: number,
  address?: string,
): Decision | undefined {
  if (key.state === 'failed') return unanswered[key.outcome];
  if (key.state === 'absent') return refused.NOT_FOUND;
  const { value } = key;
  const isKnown =
    value.verifier === verifier || value.bounds?.retiring.some((retiring) => retiring.verifier === verifier);
  if (!isKnown) return refused.WRONG_SECRET;
  return decideState(verifier, value, nowMs, address);
}

/** Whether {@link decideState} looks at the time. */
export function endsSometime({ expiresAtMs, bounds }: PreparedAgentKey): boolean {
  return expiresAtMs !== null || bounds !== undefined;
}

/** Which of the key's verifiers the secret is of, whether or not that one has ended. */
function shownVerifier(secret: string, { verifier, bounds }: PreparedAgentKey): string | undefined {
  if (verifierMatches(secret, verifier)) return verifier;
  return retiringShown(secret, bounds);
}

/** The verifier of a retiring secret. */
export function retiringShown(secret: string, bounds: KeyBounds | undefined): string | undefined {
  return bounds?.retiring.find(({ verifier }) => verifierMatches(secret, verifier))?.verifier;
}

/** The refusal that a key gives to somebody who has shown the secret of `shown`, one of its verifiers. */
export function decideState(
  shown: string,
  { expiresAtMs, status, verifier, bounds }: PreparedAgentKey,
  nowMs: number,
  address: string | undefined,
): Decision | undefined {
  if (bounds !== undefined) {
    const { networks, retiring } = bounds;
    if (networks !== undefined && (address === undefined || !networks.has(address)))
      return forbidden(address);
    const end = shown === verifier ? undefined : retiring.find((one) => one.verifier === shown)?.endsAtMs;
    if (end !== undefined && nowMs >= end) return refused.EXPIRED;
  }
  if (expiresAtMs !== null && nowMs >= expiresAtMs) return refused.EXPIRED;
  if (status === 'disabled') return refused.DISABLED;
  return undefined;
}

/** Says what the gateway takes for the address, because nothing else tells that proxies are not trusted as they should. */
function forbidden(address: string | undefined): Decision {
  const problem =
    address === undefined
      ? 'Nobody can tell which address the request comes from.'
      : `The request is taken to come from ${address}.`;
  return { outcome: 'refused', code: 'FORBIDDEN', problem };
}

/**
 * The decision about a key that {@link decideKey} let through.
 * `pathClusterId` is the cluster that the request's path names; undefined where it names none.
 */
export function decideScope(
  key: PreparedAgentKey,
  tenant: Lookup<PreparedTenant>,
  cluster: Lookup<PreparedCluster>,
  pathClusterId: string | undefined,
): Decision {
  if (tenant.state === 'present' && tenant.value.status === 'suspended') return refused.TENANT_SUSPENDED;
  if (cluster.state === 'present' && cluster.value.status === 'disabled') return refused.CLUSTER_DISABLED;
  if (pathClusterId !== undefined && pathClusterId !== key.clusterId) return refused.WRONG_CLUSTER;
  if (tenant.state === 'absent' || cluster.state === 'absent') return refused.DANGLING;
  if (tenant.state === 'failed') return unanswered[tenant.outcome];
  if (cluster.state === 'failed') return unanswered[cluster.outcome];
  return { outcome: 'granted', key, cluster: cluster.value };
}

/** The refusal of a key that {@link decideScope} let through, for what the request requires of it. */
export function decideRequirement(key: PreparedAgentKey, requirement: Requirement): Decision | undefined {
  if (requirement.state === 'malformed')
    return { outcome: 'refused', code: 'BAD_REQUIRE', problem: requirement.problem };
  const met = requirement.expressions.every((expression) => satisfies(expression, key.permissions));
  return met ? undefined : refused.INSUFFICIENT_PERMISSIONS;
}

/** What becomes of a granted request under the key's limit. */
export function decideRate(granted: Decision, rate: RateState): Decision {
  if (rate.outcome === 'exceeded') return { outcome: 'refused', code: 'RATE_LIMITED', rate };
  return { ...granted, rate };
}
