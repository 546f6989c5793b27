import type { RateState } from '../contexts/base/rate-limit/bucket.ts';
import { rateLimitHeaders } from '../contexts/base/rate-limit/headers.ts';
import type { Decision, RefusalCode } from './decide.ts';
import { refusals } from './decide.ts';
import type { PreparedAgentKey, Told } from './prepared.ts';
import { encodingOf, problemReply, type Reply } from './replies.ts';

/** The identity headers: of the answer to `/v1/authenticate`, and of what is forwarded. */
export const identityHeaders = {
  tenant: 'spokecast-tenant-id',
  cluster: 'spokecast-cluster-id',
  key: 'spokecast-key-id',
} as const;

/** Seconds after which a request that found no answer may be tried again. */
const retryAfterSeconds = '1';

export const titles: Record<RefusalCode, string> = {
  NO_CREDENTIAL: 'An agent key is required',
  MALFORMED: 'What was shown is not an agent key',
  NOT_FOUND: 'There is no such agent key',
  WRONG_SECRET: 'There is no such agent key',
  FORBIDDEN: 'The agent key may not be used from this address',
  EXPIRED: 'The agent key, or this secret of it, has expired',
  DISABLED: 'The agent key is disabled',
  TENANT_SUSPENDED: 'The tenant is suspended',
  CLUSTER_DISABLED: 'The cluster is disabled',
  WRONG_CLUSTER: 'The agent key belongs to another cluster',
  BAD_REQUIRE: 'What is required cannot be read',
  INSUFFICIENT_PERMISSIONS: 'The agent key lacks a permission that is required',
  RATE_LIMITED: 'The agent key was granted as many requests as it may be for now',
  DANGLING: "The agent key's cluster or tenant has not arrived in this region yet",
  OVERLOADED: 'Too many unknown keys are being asked for',
  UNAVAILABLE: 'Neither this gateway nor its store knows the answer now',
  NOT_WHOLE: "This region's store is still being filled",
  BEHIND: "This region's store returns less than was announced",
  UNDECODABLE: 'This gateway cannot read what its store holds',
};

const details: Partial<Record<RefusalCode, string>> = {
  NO_CREDENTIAL:
    'Send it as "Authorization: Bearer <key>", as the password of Basic, or as "spokecast-agent-key: <key>".',
  MALFORMED: 'An agent key begins with "spk_" and ends in a checksum. Is it whole, and is it shown but once?',
};

/** Refusals seldom differ but by their code, so each is made once. */
const refusalReplies = Object.fromEntries(
  (Object.keys(refusals) as RefusalCode[]).map((code) => [code, refusalReply(code)]),
) as Record<RefusalCode, Reply>;

/** What `/v1/authenticate` answers, and what a path of a cluster answers unless the decision is to forward. */
export function answerOf(decision: Decision, region: string): Reply {
  if (decision.outcome === 'refused') return refusalOf(decision);
  const { key, cluster, rate } = decision;
  let { told } = key;
  if (told === undefined || told.clusterName !== cluster.name)
    key.told = told = tell(key, cluster.name, region);
  const granted = grantReply(key, told);
  return rate === undefined ? granted : withRate(granted, rate);
}

function withRate(reply: Reply, rate: RateState): Reply {
  return {
    ...reply,
    headers: [...reply.headers, ...Object.entries(rateLimitHeaders(rate, 'agent-key')).flat()],
  };
}

function refusalOf({ code, problem, rate }: Extract<Decision, { outcome: 'refused' }>): Reply {
  if (rate !== undefined) return withRate(refusalReplies[code], rate);
  if (problem === undefined) return refusalReplies[code];
  return problemReply(refusals[code], code, titles[code], { detail: problem });
}

/** The answer that ends what was granted before; undefined where it goes on, or where nobody can tell now. */
export function withdrawalOf(decision: Decision): Reply | undefined {
  if (decision.outcome === 'granted' || refusals[decision.code] === 503) return undefined;
  return refusalReplies[decision.code];
}

function tell(key: PreparedAgentKey, clusterName: string, region: string): Told {
  const { tenantId, clusterId, id: keyId, permissions } = key;
  const body = JSON.stringify({ tenantId, clusterId, clusterName, keyId, permissions, region });
  return { clusterName, body, encoding: encodingOf(body), bytes: decimal(Buffer.byteLength(body)) };
}

/** The headers are put together anew for each request: fetching a list of them from far away takes longer. */
function grantReply({ id, tenantId, clusterId }: PreparedAgentKey, { body, encoding, bytes }: Told): Reply {
  const headers = [
    'content-type',
    'application/json',
    'cache-control',
    'no-store',
    identityHeaders.tenant,
    tenantId,
    identityHeaders.cluster,
    clusterId,
    identityHeaders.key,
    id,
    'content-length',
    bytes,
  ];
  return { status: 200, headers, body, encoding };
}

/** One text for each number: those of many answers are alike. */
const decimals: string[] = [];

function decimal(number: number): string {
  if (number >= 10_000) return String(number);
  decimals[number] ??= String(number);
  return decimals[number];
}

function refusalReply(code: RefusalCode): Reply {
  const status = refusals[code];
  const told = code === 'WRONG_SECRET' ? 'NOT_FOUND' : code;
  const headers: Record<string, string> = {};
  if (status === 401) {
    // RFC 6750 3.1: no error code where no credential was shown.
    headers['www-authenticate'] =
      code === 'NO_CREDENTIAL'
        ? 'Bearer realm="spokecast"'
        : 'Bearer realm="spokecast", error="invalid_token"';
  }
  if (status === 503) headers['retry-after'] = retryAfterSeconds;
  const detail = details[code];
  return problemReply(status, told, titles[code], detail === undefined ? { headers } : { detail, headers });
}
