import type { Clock } from '../contexts/base/clock.ts';
import type { LoadingCache } from './cache/cache.ts';
import type { Lookup } from './cache/outcomes.ts';
import { readCredential } from './credentials.ts';
import {
  type Decision,
  decideCredential,
  decideKey,
  decideKeyAgain,
  decideRequirement,
  decideScope,
} from './decide.ts';
import type { PreparedAgentKey, PreparedContexts } from './prepared.ts';
import { Requirements } from './requirements.ts';

export interface Shown {
  authorization: string | undefined;
  agentKey: string | undefined;
  /** The cluster that the request's path names. */
  clusterId: string | undefined;
  /** The query, as it came, where it may require permissions; undefined where it is not for us. */
  query?: string | undefined;
}

type Asked = Pick<Shown, 'clusterId' | 'query'>;
const nothingMore: Asked = { clusterId: undefined };

/**
 * Looks up what a request shows and decides. Synchronous while everything is in memory; a promise only where the
 * store has to be asked. The promise never rejects but for a mistake of ours.
 */
export class Authenticator {
  readonly #cache: LoadingCache<PreparedContexts>;
  readonly #clock: Clock;
  readonly #requirements = new Requirements();

  constructor(options: { cache: LoadingCache<PreparedContexts>; clock: Clock }) {
    this.#cache = options.cache;
    this.#clock = options.clock;
  }

  authenticate(shown: Shown): Decision | Promise<Decision> {
    const credential = readCredential(shown.authorization, shown.agentKey);
    if (credential.state !== 'shown') return decideCredential(credential)!;
    const key = this.#cache.get('agent-key', credential.keyId);
    if (key instanceof Promise) return key.then((found) => this.#withKey(credential.secret, found, shown));
    return this.#withKey(credential.secret, key, shown);
  }

  /** Decides once more about a key that was let in before, by what is known of it now. */
  reconsider(letIn: PreparedAgentKey): Decision | Promise<Decision> {
    const key = this.#cache.get('agent-key', letIn.id, 'reference');
    const decide = (found: Lookup<PreparedAgentKey>) => {
      const refusal = decideKeyAgain(letIn.verifier, found, this.#clock.now());
      if (refusal !== undefined || found.state !== 'present') return refusal!;
      return this.#withScope(found.value, nothingMore);
    };
    return key instanceof Promise ? key.then(decide) : decide(key);
  }

  #withKey(secret: string, key: Lookup<PreparedAgentKey>, shown: Asked): Decision | Promise<Decision> {
    const refusal = decideKey(secret, key, this.#clock.now());
    if (refusal !== undefined || key.state !== 'present') return refusal!;
    return this.#withScope(key.value, shown);
  }

  #withScope(value: PreparedAgentKey, asked: Asked): Decision | Promise<Decision> {
    const tenant = this.#cache.get('tenant', value.tenantId, 'reference');
    const cluster = this.#cache.get('cluster', value.clusterId, 'reference');
    if (tenant instanceof Promise || cluster instanceof Promise) {
      return Promise.all([tenant, cluster]).then(([one, other]) =>
        this.#restricted(decideScope(value, one, other, asked.clusterId), asked),
      );
    }
    return this.#restricted(decideScope(value, tenant, cluster, asked.clusterId), asked);
  }

  /** What is asked of a request beyond a good key: nearly always nothing. */
  #restricted(decision: Decision, { query }: Asked): Decision {
    if (query === undefined || decision.outcome === 'refused') return decision;
    const requirement = this.#requirements.read(query);
    if (requirement === undefined) return decision;
    return decideRequirement(decision.key, requirement) ?? decision;
  }
}
