import type { Clock } from '../contexts/base/clock.ts';
import type { RateLimiter } from '../contexts/base/rate-limit/limiter.ts';
import { claimedId, verifierMatches } from '../contexts/secrets.ts';
import type { LoadingCache } from './cache/cache.ts';
import type { Lookup } from './cache/outcomes.ts';
import type { ClientAddresses } from './client-address.ts';
import { type ImportedKeys, parse, readShown } from './credentials.ts';
import {
  type Decision,
  decideCredential,
  decideKey,
  decideKeyAgain,
  decideRate,
  decideRequirement,
  decideScope,
  decideState,
  endsSometime,
  retiringShown,
} from './decide.ts';
import type { Arrived } from './forward/hop.ts';
import type { KeyUses } from './key-uses.ts';
import type { PreparedAgentKey, PreparedContexts } from './prepared.ts';
import { Requirements } from './requirements.ts';

export interface Shown {
  authorization: string | undefined;
  agentKey: string | undefined;
  /** The cluster that the request's path names. */
  clusterId: string | undefined;
  /** The query, as it came, where it may require permissions; undefined where it is not for us. */
  query?: string | undefined;
  /** The request itself, for where it comes from. */
  from?: Arrived | undefined;
}

/** What the request asks beyond its key, and with which of the key's retiring secrets it was asked. */
type Asked = Pick<Shown, 'clusterId' | 'query'> & {
  retiring?: string | undefined;
  /** Not asked for itself: it counts for no limit. */
  again?: true;
};

/** Who was let in, for {@link Authenticator.reconsider}. */
export interface LetIn {
  readonly keyId: string;
  /** Of the secret that was shown. */
  readonly verifier: string;
  readonly from: Arrived | undefined;
}

/**
 * Looks up what a request shows and decides. Synchronous while everything is in memory; a promise only where the
 * store has to be asked. The promise never rejects but for a mistake of ours.
 */
export class Authenticator {
  readonly #cache: LoadingCache<PreparedContexts>;
  readonly #clock: Clock;
  readonly #addresses: ClientAddresses | undefined;
  readonly #limiter: RateLimiter | undefined;
  readonly #importedKeys: ImportedKeys;
  readonly #uses: KeyUses | undefined;
  readonly #requirements = new Requirements();

  /** Without `addresses` nobody can tell where a request comes from; without `limiter` nothing is counted. */
  constructor(options: {
    cache: LoadingCache<PreparedContexts>;
    clock: Clock;
    addresses?: ClientAddresses | undefined;
    limiter?: RateLimiter | undefined;
    importedKeys?: ImportedKeys;
    uses?: KeyUses | undefined;
  }) {
    this.#cache = options.cache;
    this.#clock = options.clock;
    this.#addresses = options.addresses;
    this.#limiter = options.limiter;
    this.#uses = options.uses;
    this.#importedKeys = options.importedKeys ?? 'refused';
  }

  /** @param now the clock's monotonic time, of whoever has just asked for it. */
  authenticate(shown: Shown, now = this.#clock.monotonic()): Decision | Promise<Decision> {
    const secret = readShown(shown.authorization, shown.agentKey);
    if (typeof secret !== 'string') return decideCredential(secret)!;
    const claimed = claimedId('agentKey', secret);
    const held = claimed === undefined ? undefined : this.#cache.fresh('agent-key', claimed, now);
    if (held !== undefined) this.#cache.used(held, now);
    // What matches a verifier has form and checksum as well: nearly always nothing else has to be looked at.
    if (held !== undefined && verifierMatches(secret, held.value.verifier))
      return this.#withSecret(held.value, shown, now);
    const credential = parse(secret, this.#importedKeys);
    if (credential.state !== 'shown') return decideCredential(credential)!;
    const isClaimed = credential.keyId === claimed; // not of a foreign secret, whatever stands where an id would
    const key = (isClaimed ? held?.hit : undefined) ?? this.#cache.get('agent-key', credential.keyId);
    if (key instanceof Promise) return key.then((found) => this.#withKey(secret, found, shown));
    return this.#withKey(secret, key, shown);
  }

  /** For whoever has shown the present secret of a key. */
  #withSecret(key: PreparedAgentKey, shown: Shown, now: number): Decision | Promise<Decision> {
    const nowMs = endsSometime(key) ? this.#clock.now() : 0;
    const refusal = decideState(key.verifier, key, nowMs, this.#addressFor(key, shown.from));
    return refusal ?? this.#withScope(key, shown, now);
  }

  /**
   * Decides once more about somebody who was let in before, by what is known now. What the request required then is
   * not asked again.
   */
  reconsider(letIn: LetIn): Decision | Promise<Decision> {
    const { keyId, verifier, from } = letIn;
    const key = this.#cache.get('agent-key', keyId, 'reference');
    const decide = (found: Lookup<PreparedAgentKey>) => {
      const address = found.state === 'present' ? this.#addressFor(found.value, from) : undefined;
      const refusal = decideKeyAgain(verifier, found, this.#clock.now(), address);
      if (refusal !== undefined || found.state !== 'present') return refusal!;
      return this.#withScope(found.value, { clusterId: undefined, again: true });
    };
    return key instanceof Promise ? key.then(decide) : decide(key);
  }

  #withKey(secret: string, key: Lookup<PreparedAgentKey>, shown: Shown): Decision | Promise<Decision> {
    const address = key.state === 'present' ? this.#addressFor(key.value, shown.from) : undefined;
    const refusal = decideKey(secret, key, this.#clock.now(), address);
    if (refusal !== undefined || key.state !== 'present') return refusal!;
    const { value } = key;
    const retiring = value.bounds === undefined ? undefined : retiringShown(secret, value.bounds);
    return this.#withScope(value, retiring === undefined ? shown : { ...shown, retiring });
  }

  #withScope(
    value: PreparedAgentKey,
    asked: Asked,
    now = this.#clock.monotonic(),
  ): Decision | Promise<Decision> {
    const { scope } = value;
    const pathIsOurs = asked.clusterId === undefined || asked.clusterId === value.clusterId;
    if (scope !== undefined && pathIsOurs) {
      const { tenant, cluster } = scope;
      if (tenant.isFresh(now) && cluster.isFresh(now)) {
        this.#cache.used(tenant, now);
        this.#cache.used(cluster, now);
        return this.#restricted({ outcome: 'granted', key: value, cluster: cluster.value }, asked);
      }
      value.scope = undefined;
    }
    const tenant = this.#cache.get('tenant', value.tenantId, 'reference', now);
    const cluster = this.#cache.get('cluster', value.clusterId, 'reference', now);
    if (tenant instanceof Promise || cluster instanceof Promise) {
      return Promise.all([tenant, cluster]).then(([one, other]) =>
        this.#restricted(decideScope(value, one, other, asked.clusterId), asked),
      );
    }
    const decision = decideScope(value, tenant, cluster, asked.clusterId);
    if (decision.outcome === 'granted') this.#remember(value, now);
    return this.#restricted(decision, asked);
  }

  /** What let this key in does so again, for as long as both are fresh. */
  #remember(key: PreparedAgentKey, now: number): void {
    const tenant = this.#cache.fresh('tenant', key.tenantId, now);
    const cluster = this.#cache.fresh('cluster', key.clusterId, now);
    if (tenant === undefined || cluster === undefined) return;
    key.scope = { tenant, cluster };
    key.tenantId = tenant.key;
    key.clusterId = cluster.key;
  }

  /** Told for keys that may be used from some networks only; for others nobody wants to know. */
  #addressFor({ bounds }: PreparedAgentKey, from: Arrived | undefined): string | undefined {
    if (bounds?.networks === undefined || from === undefined) return undefined;
    return this.#addresses?.of(from);
  }

  /** What is asked of a request beyond a good key: nearly always nothing. */
  #restricted(decision: Decision, { query, retiring, again }: Asked): Decision | Promise<Decision> {
    if (decision.outcome === 'refused') return decision;
    this.#uses?.note(decision.key);
    const requirement = query === undefined ? undefined : this.#requirements.read(query);
    const refusal = requirement && decideRequirement(decision.key, requirement);
    if (refusal !== undefined) return refusal;
    const granted = retiring === undefined ? decision : { ...decision, retiring };
    const limit = decision.key.bounds?.rateLimit;
    if (limit === undefined || again || this.#limiter === undefined) return granted;
    const state = this.#limiter.take(decision.key.id, limit);
    return state instanceof Promise
      ? state.then((rate) => decideRate(granted, rate))
      : decideRate(granted, state);
  }
}
