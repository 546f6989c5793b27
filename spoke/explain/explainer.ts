import { type Clock, timestamp } from '../../contexts/base/clock.ts';
import type { RateState } from '../../contexts/base/rate-limit/bucket.ts';
import type { RateLimiter } from '../../contexts/base/rate-limit/limiter.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { type Identity, type ReadResult, type Store, StoreError } from '../../contexts/store.ts';
import type { LoadingCache } from '../cache/cache.ts';
import type { Lookup } from '../cache/outcomes.ts';
import type { GatewayConfig } from '../config.ts';
import type { PreparedAgentKey, PreparedCluster, PreparedContexts, PreparedTenant } from '../prepared.ts';
import type { Readiness } from '../readiness.ts';
import type { Requirement } from '../requirements.ts';
import { within } from '../within.ts';
import {
  type Asked,
  type Chain,
  factsOf,
  heldOf,
  type Link,
  type LinkName,
  placementOf,
  type Seen,
  sayings,
  type Verdict,
  verdictOf,
} from './explanation.ts';
import { lookupOfStored, type StoredLink, storedLinkOf } from './stored.ts';

export interface ExplainerOptions {
  cache: Pick<LoadingCache<PreparedContexts>, 'inspect'>;
  store: Pick<Store, 'read'>;
  limiter: Pick<RateLimiter, 'look'>;
  clock: Clock;
  region: string;
  id: string;
  build: string;
  timeoutMs: number;
  readiness(): Readiness;
  /** Where the gateway stands in the feed. */
  feed(): { watermark: number | undefined; ageMs: number };
}

/** What a gateway's options make of it: nothing where there is no token to ask with. */
export function explaining(
  { debugToken: token, storeTimeoutMs: timeoutMs, region }: GatewayConfig,
  parts: Omit<ExplainerOptions, 'timeoutMs' | 'region'>,
): { explainer: Explainer; token: string } | undefined {
  if (token === undefined) return undefined;
  return { explainer: new Explainer({ ...parts, timeoutMs, region }), token };
}

/** What is to be explained, beside the key. */
export interface Question {
  /** Also out of the store, past the cache. */
  askStore: boolean;
  /** Where the request comes from; undefined for no address in particular. */
  address?: string | undefined;
  requirement?: Requirement | undefined;
}

export interface Explanation {
  keyId: string;
  /** The address it is explained for; null for no address in particular. */
  address: string | null;
  at: string;
  gateway: { id: string; build: string } & Readiness;
  region: {
    id: string;
    placement: ReturnType<typeof placementOf>;
    feedWatermark: number | null;
    feedAgeMs: number;
  };
  verdict: Verdict;
  links: (Link & { stored: StoredLink | null })[];
  store: AskedStore;
}

export type AskedStore =
  | { asked: false }
  | { asked: true; answered: false; code: string; reason: string }
  | {
      asked: true;
      answered: true;
      tookMs: number;
      /** Whose the table is, and whether its absences are evidence. */
      identity: Pick<Identity, 'environment' | 'region' | 'incarnation' | 'whole'> | null;
      /** What a gateway that holds nothing would answer. */
      verdict: Verdict;
    };

/**
 * Explains keys out of what the gateway holds, and changes nothing of it: nothing is read into the cache, made ready,
 * or counted as used. Where the store is asked, that is past the cache as well; two reads, the second for what the
 * first one named, and one question at a time.
 */
export class Explainer {
  readonly #options: ExplainerOptions;
  #isAsking = false;

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /** `busy`: the store is being asked for somebody else. */
  async explain(keyId: string, question: Question): Promise<Explanation | 'busy'> {
    if (!question.askStore) return this.#explain(keyId, question, undefined);
    if (this.#isAsking) return 'busy';
    this.#isAsking = true;
    try {
      return await this.#withStore(keyId, question);
    } finally {
      this.#isAsking = false;
    }
  }

  async #withStore(keyId: string, question: Question): Promise<Explanation> {
    const { clock, timeoutMs } = this.#options;
    const startedAt = clock.monotonic();
    try {
      const read = await within(clock, timeoutMs, 'reading for an explanation', () => this.#read(keyId));
      return await this.#explain(keyId, question, { ...read, tookMs: clock.monotonic() - startedAt });
    } catch (error) {
      const code = error instanceof StoreError ? error.code : 'UNEXPECTED';
      const reason = error instanceof Error ? error.message : String(error);
      const explanation = await this.#explain(keyId, question, undefined);
      return { ...explanation, store: { asked: true, answered: false, code, reason } };
    }
  }

  /** The key first: what it names may be something else than what is held of it does. */
  async #read(keyId: string): Promise<ReadResult> {
    const { store, cache } = this.#options;
    const held = cache.inspect('agent-key', keyId).lookup;
    const first = await store.read([
      { kind: 'agent-key', key: keyId },
      ...(held?.state === 'present' ? namedBy(held.value) : []),
    ]);
    const key = lookupOfStored(first, { kind: 'agent-key', key: keyId });
    if (key.state !== 'present') return first;
    const named = namedBy(key.value as PreparedAgentKey);
    const lacking = named.filter(({ key }) => held?.state !== 'present' || !names(held.value, key));
    if (lacking.length === 0) return first;
    const second = await store.read(lacking);
    return { items: new Map([...first.items, ...second.items]), identity: second.identity };
  }

  /** How it stands with the key's limit, wherever that is counted. */
  #rateOf(keyId: string, storedKey: Seen<PreparedAgentKey>): RateState | Promise<RateState> | undefined {
    const { cache, limiter } = this.#options;
    const naming = presentIn(cache.inspect('agent-key', keyId).lookup) ?? presentIn(storedKey);
    const limit = naming?.bounds?.rateLimit;
    return limit && limiter.look(keyId, limit);
  }

  async #explain(
    keyId: string,
    { address, requirement }: Question,
    read: (ReadResult & { tookMs: number }) | undefined,
  ): Promise<Explanation> {
    const { cache, clock, region, id, build, readiness, feed } = this.#options;
    const storedKey =
      read && (lookupOfStored(read, { kind: 'agent-key', key: keyId }) as Lookup<PreparedAgentKey>);
    const rate = await this.#rateOf(keyId, storedKey);
    const nowMs = clock.now();
    const asked: Asked = { nowMs, address, requirement, rate };
    const key = cache.inspect('agent-key', keyId);
    const naming = presentIn(key.lookup) ?? presentIn(storedKey);
    const tenant = naming && cache.inspect('tenant', naming.tenantId);
    const cluster = naming && cache.inspect('cluster', naming.clusterId);
    const chain: Chain = { key: key.lookup, tenant: tenant?.lookup, cluster: cluster?.lookup };
    const says = sayings(chain, asked);
    const link = <Name extends LinkName>(
      name: Name,
      inspection: typeof key | typeof tenant | typeof cluster,
      of: string | undefined,
    ): Explanation['links'][number] => {
      const held = inspection ? heldOf(inspection) : nothingHeld;
      const value = presentIn(inspection?.lookup as Seen<object>);
      const stored = read && of !== undefined;
      return {
        ...{ link: name, key: of ?? null, ...says[name], held },
        facts: value === undefined ? null : factsOf[name](value as never, asked),
        stored: stored ? storedLinkOf(read.items.get(`${name}/${of}`), held.version) : null,
      };
    };
    const { watermark, ageMs } = feed();
    return {
      keyId,
      address: address ?? null,
      at: timestamp(nowMs),
      gateway: { id, build, ...readiness() },
      region: {
        ...{ id: region, placement: placementOf(chain) },
        ...{ feedWatermark: watermark ?? null, feedAgeMs: Math.round(ageMs) },
      },
      verdict: verdictOf(chain, asked),
      links: [
        link('agent-key', key, keyId),
        link('tenant', tenant, naming?.tenantId),
        link('cluster', cluster, naming?.clusterId),
      ],
      store: read ? answered(read, storedKey, asked) : { asked: false },
    };
  }
}

function answered(
  read: ReadResult & { tookMs: number },
  key: Lookup<PreparedAgentKey> | undefined,
  asked: Asked,
): AskedStore {
  const value = presentIn(key);
  const chain: Chain = {
    key,
    tenant:
      value && (lookupOfStored(read, { kind: 'tenant', key: value.tenantId }) as Lookup<PreparedTenant>),
    cluster:
      value && (lookupOfStored(read, { kind: 'cluster', key: value.clusterId }) as Lookup<PreparedCluster>),
  };
  const { identity } = read;
  return {
    asked: true,
    answered: true,
    tookMs: Math.round(read.tookMs * 10) / 10,
    identity: identity
      ? {
          environment: identity.environment,
          region: identity.region,
          incarnation: identity.incarnation,
          whole: identity.whole,
        }
      : null,
    verdict: verdictOf(chain, asked),
  };
}

const nothingHeld: Link['held'] = {
  state: 'absent',
  source: null,
  version: null,
  epoch: null,
  revision: null,
  awaitedRevision: null,
  ageMs: null,
  reading: null,
  census: 'untold',
};

function presentIn<Value>(lookup: Seen<Value>): Value | undefined {
  return lookup?.state === 'present' ? lookup.value : undefined;
}

function namedBy({ tenantId, clusterId }: PreparedAgentKey): ContextRef[] {
  return [
    { kind: 'tenant', key: tenantId },
    { kind: 'cluster', key: clusterId },
  ];
}

function names({ tenantId, clusterId }: PreparedAgentKey, key: string): boolean {
  return key === tenantId || key === clusterId;
}
