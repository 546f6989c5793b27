import { timestamp } from '../../contexts/base/clock.ts';
import type { RateState } from '../../contexts/base/rate-limit/bucket.ts';
import { decodeVersion, type VersionText } from '../../contexts/revision.ts';
import { titles } from '../answers.ts';
import type { Inspection } from '../cache/inspection.ts';
import type { Lookup } from '../cache/outcomes.ts';
import {
  type Decision,
  decideKeyAgain,
  decideRequirement,
  decideScope,
  type RefusalCode,
  refusals,
} from '../decide.ts';
import type { KeyBounds } from '../key-bounds.ts';
import type { PreparedAgentKey, PreparedCluster, PreparedTenant } from '../prepared.ts';
import type { Requirement } from '../requirements.ts';

/**
 * Why a key is let in or not, for people: what is held of each link of the chain, what each of them says, and what
 * comes of it. No secret is in it and no verifier; whoever asks has shown neither.
 */
export interface Verdict {
  /** `asks-store`: not all is held, so a request would wait for the store. */
  outcome: 'granted' | 'refused' | 'asks-store';
  /** As decisions are counted; null where the store would be asked. */
  code: RefusalCode | 'GRANTED' | null;
  /** What who shows the right secret is answered. */
  status: number | null;
  why: string;
}

export interface Link {
  link: LinkName;
  /** The context's key; null while the agent key that names it is not known. */
  key: string | null;
  says: 'allows' | 'refuses' | 'cannot-tell' | 'asks-store';
  code: RefusalCode | null;
  why: string;
  held: Held;
  /** What the decision goes by; null where nothing is held. */
  facts: Record<string, unknown> | null;
}

export type LinkName = 'agent-key' | 'tenant' | 'cluster';

export interface Held {
  state: Inspection['state'];
  source: Exclude<Inspection['source'], undefined> | null;
  version: string | null;
  epoch: number | null;
  revision: number | null;
  /** A newer revision that was announced and is not here yet. */
  awaitedRevision: number | null;
  /** Since it was read from the store or heard in the feed; null where an earlier process did. */
  ageMs: number | null;
  reading: Exclude<Inspection['reading'], undefined> | null;
  census: Inspection['census'];
}

/** A look-up that may still have to be made. */
export type Seen<Value> = Lookup<Value> | undefined;

export interface Chain {
  key: Seen<PreparedAgentKey>;
  tenant: Seen<PreparedTenant>;
  cluster: Seen<PreparedCluster>;
}

/** The request that is asked about. */
export interface Asked {
  nowMs: number;
  /** Where it would come from; undefined for some address or other that the key may be used from. */
  address: string | undefined;
  requirement: Requirement | undefined;
  /** How it stands with the key's limit; undefined where none is known. */
  rate: RateState | undefined;
}

/** What somebody who shows the right secret is told, by what is seen of each link. */
export function verdictOf(chain: Chain, asked: Asked): Verdict {
  const decision = decide(chain, asked);
  if (decision === undefined)
    return {
      outcome: 'asks-store',
      code: null,
      status: null,
      why: 'not all of it is held: a request would wait for the store',
    };
  if (decision.outcome === 'granted')
    return {
      outcome: 'granted',
      code: 'GRANTED',
      status: 200,
      why: `every link allows it, to whoever shows its secret${fromWhere(decision.key, asked)}`,
    };
  const { code } = decision;
  return { outcome: 'refused', code, status: refusals[code], why: reasonOf(decision, chain.key) };
}

function decide({ key, tenant, cluster }: Chain, asked: Asked): Decision | undefined {
  const own = key && ofKey(key, asked);
  if (key?.state !== 'present' || own !== undefined) return own;
  if (tenant === undefined || cluster === undefined) return undefined;
  const scope = decideScope(key.value, tenant, cluster, undefined);
  return scope.outcome === 'refused' ? scope : (ofRequest(key.value, asked) ?? scope);
}

function ofKey(key: Lookup<PreparedAgentKey>, { nowMs, address }: Asked): Decision | undefined {
  if (key.state !== 'present') return decideKeyAgain('', key, nowMs);
  const { value } = key;
  const { bounds } = value;
  const isSomewhere = address === undefined && bounds?.networks && bounds.networks.texts.length > 0;
  const asIfThere = isSomewhere
    ? { ...key, value: { ...value, bounds: { ...bounds, networks: undefined } } }
    : key;
  return decideKeyAgain(value.verifier, asIfThere, nowMs, address);
}

/** The refusal by what is asked beyond a good key, in its order. */
function ofRequest(key: PreparedAgentKey, { requirement, rate }: Asked): Decision | undefined {
  const refusal = requirement && decideRequirement(key, requirement);
  if (refusal !== undefined || rate === undefined || key.bounds?.rateLimit === undefined) return refusal;
  return rate.outcome === 'exceeded' ? { outcome: 'refused', code: 'RATE_LIMITED', rate } : undefined;
}

function fromWhere({ bounds }: PreparedAgentKey, { address }: Asked): string {
  if (address !== undefined) return ` at ${address}`;
  return bounds?.networks === undefined ? '' : ' in one of its networks';
}

/** What each link says by itself: the first that refuses need not be the only one. */
export function sayings(chain: Chain, asked: Asked): Record<LinkName, Pick<Link, 'says' | 'code' | 'why'>> {
  const { key, tenant, cluster } = chain;
  const scope = (one: Seen<PreparedTenant>, other: Seen<PreparedCluster>) =>
    key?.state === 'present' && one && other ? decideScope(key.value, one, other, undefined) : 'unseen';
  return {
    'agent-key': saying(key === undefined ? 'unseen' : byKey(key, asked), key),
    tenant: saying(scope(tenant, anyCluster), key),
    cluster: saying(scope(anyTenant, cluster), key),
  };
}

function byKey(key: Lookup<PreparedAgentKey>, asked: Asked): Decision | undefined {
  return ofKey(key, asked) ?? (key.state === 'present' ? ofRequest(key.value, asked) : undefined);
}

/** Says nothing against anybody. */
const anyTenant = {
  state: 'present',
  outcome: 'hit',
  value: { status: 'active' } as PreparedTenant,
  version: '' as VersionText,
} as const;
const anyCluster = {
  state: 'present',
  outcome: 'hit',
  value: { name: '', status: 'active', upstreams: [] } as unknown as PreparedCluster,
  version: '' as VersionText,
} as const;

function saying(
  decision: Decision | 'unseen' | undefined,
  key: Seen<PreparedAgentKey>,
): Pick<Link, 'says' | 'code' | 'why'> {
  if (decision === 'unseen')
    return { says: 'asks-store', code: null, why: 'not held: a request would wait for the store' };
  if (decision === undefined || decision.outcome === 'granted')
    return { says: 'allows', code: null, why: 'nothing here is against it' };
  const { code } = decision;
  return { says: refusals[code] === 503 ? 'cannot-tell' : 'refuses', code, why: reasonOf(decision, key) };
}

function reasonOf(
  { code, problem }: Extract<Decision, { outcome: 'refused' }>,
  key: Seen<PreparedAgentKey>,
): string {
  if (code === 'NOT_FOUND' && key?.state === 'absent')
    return key.why === 'tombstone'
      ? 'The agent key was revoked: a tombstone is in its place'
      : 'There is no such agent key in this region. A key is only where its cluster is placed';
  return problem === undefined ? titles[code] : `${titles[code]}. ${problem}`;
}

export function heldOf(inspection: Inspection): Held {
  const { state, source, version, awaited, ageMs, reading, census } = inspection;
  const decoded = decodeVersion(version);
  return {
    state,
    source: source ?? null,
    version: version ?? null,
    epoch: decoded?.epoch ?? null,
    revision: decoded?.revision ?? null,
    awaitedRevision: decodeVersion(awaited)?.revision ?? null,
    ageMs: ageMs === undefined ? null : Math.round(ageMs),
    reading: reading ?? null,
    census,
  };
}

/** Whether the key's cluster is placed in this region, by whether its context is there. */
export function placementOf({ key, cluster }: Chain): 'here' | 'not-here' | 'unknown' {
  if (key?.state !== 'present' || cluster === undefined || cluster.state === 'failed') return 'unknown';
  return cluster.state === 'present' ? 'here' : 'not-here';
}

type Values = { 'agent-key': PreparedAgentKey; tenant: PreparedTenant; cluster: PreparedCluster };

/** What of a prepared context may be told: named one by one, so that nothing new in it is told by mistake (law 10). */
export const factsOf: {
  [Name in LinkName]: (value: Values[Name], asked: Asked) => Record<string, unknown>;
} = {
  'agent-key': ({ status, expiresAtMs, permissions, tenantId, clusterId, bounds }, { nowMs, rate }) => ({
    status,
    expiresAt: expiresAtMs === null ? null : timestamp(expiresAtMs),
    permissions,
    networks: bounds?.networks?.texts ?? null,
    retiringSecrets: retiringOf(bounds?.retiring ?? [], nowMs),
    rateLimit: bounds?.rateLimit
      ? {
          ...bounds.rateLimit,
          remaining: rate?.remaining ?? null,
          moreInMs: rate ? Math.ceil(rate.moreInMs) : null,
        }
      : null,
    tenantId,
    clusterId,
  }),
  tenant: ({ status }) => ({ status }),
  cluster: ({ name, status, upstreams }) => ({
    name,
    status,
    upstreams: upstreams.map(({ origin, basePath, priority, weight }) => ({
      url: `${origin}${basePath}`,
      priority,
      weight,
    })),
  }),
};

/** Secrets before the present one that still work, and the moment at which each of them ends. */
function retiringOf(retiring: KeyBounds['retiring'], nowMs: number) {
  const ends = retiring.map(({ endsAtMs }) => endsAtMs).filter((endsAtMs) => endsAtMs > nowMs);
  return {
    count: ends.length,
    endsAt: ends
      .sort((one, other) => one - other)
      .map((endsAtMs) => (Number.isFinite(endsAtMs) ? timestamp(endsAtMs) : null)),
  };
}
