import type { Clock } from '../contexts/base/clock.ts';
import type { LoadingCache } from './cache/cache.ts';
import type { Lookup } from './cache/outcomes.ts';
import { readCredential } from './credentials.ts';
import { type Decision, decideCredential, decideKey, decideKeyAgain, decideScope } from './decide.ts';
import type { PreparedAgentKey, PreparedContexts } from './prepared.ts';

export interface Shown {
  authorization: string | undefined;
  agentKey: string | undefined;
  /** The cluster that the request's path names. */
  clusterId: string | undefined;
}

/**
 * Looks up what a request shows and decides. Synchronous while everything is in memory; a promise only where the
 * store has to be asked. The promise never rejects but for a mistake of ours.
 */
export class Authenticator {
  readonly #cache: LoadingCache<PreparedContexts>;
  readonly #clock: Clock;

  constructor(options: { cache: LoadingCache<PreparedContexts>; clock: Clock }) {
    this.#cache = options.cache;
    this.#clock = options.clock;
  }

  authenticate(shown: Shown): Decision | Promise<Decision> {
    const credential = readCredential(shown.authorization, shown.agentKey);
    if (credential.state !== 'shown') return decideCredential(credential)!;
    const key = this.#cache.get('agent-key', credential.keyId);
    if (key instanceof Promise)
      return key.then((found) => this.#withKey(credential.secret, found, shown.clusterId));
    return this.#withKey(credential.secret, key, shown.clusterId);
  }

  /** Decides once more about a key that was let in before, by what is known of it now. */
  reconsider(letIn: PreparedAgentKey): Decision | Promise<Decision> {
    const key = this.#cache.get('agent-key', letIn.id, 'reference');
    const decide = (found: Lookup<PreparedAgentKey>) => {
      const refusal = decideKeyAgain(letIn.verifier, found, this.#clock.now());
      if (refusal !== undefined || found.state !== 'present') return refusal!;
      return this.#withScope(found.value, undefined);
    };
    return key instanceof Promise ? key.then(decide) : decide(key);
  }

  #withKey(
    secret: string,
    key: Lookup<PreparedAgentKey>,
    clusterId: string | undefined,
  ): Decision | Promise<Decision> {
    const refusal = decideKey(secret, key, this.#clock.now());
    if (refusal !== undefined || key.state !== 'present') return refusal!;
    return this.#withScope(key.value, clusterId);
  }

  #withScope(value: PreparedAgentKey, clusterId: string | undefined): Decision | Promise<Decision> {
    const tenant = this.#cache.get('tenant', value.tenantId, 'reference');
    const cluster = this.#cache.get('cluster', value.clusterId, 'reference');
    if (tenant instanceof Promise || cluster instanceof Promise) {
      return Promise.all([tenant, cluster]).then(([one, other]) => decideScope(value, one, other, clusterId));
    }
    return decideScope(value, tenant, cluster, clusterId);
  }
}
