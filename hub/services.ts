import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { Random } from '../contexts/base/random.ts';
import type { RateLimit } from '../contexts/base/rate-limit/bucket.ts';
import type { LocalRateLimiter } from '../contexts/base/rate-limit/limiter.ts';
import type { GuessLimits } from './auth/guess-limits.ts';
import type { KeyCache } from './auth/key-cache.ts';
import type { LoginLimits } from './auth/login-limits.ts';
import type { Oidc } from './auth/oidc.ts';
import type { OidcRules } from './auth/oidc-people.ts';
import type { Passwords } from './auth/passwords.ts';
import type { People } from './auth/people-services.ts';
import type { Database } from './db/client.ts';
import type { EventStreams } from './events/event-streams.ts';
import type { FenceWaits } from './fence-waits.ts';
import type { Hints } from './hints.ts';
import type { HubMetrics } from './metrics.ts';
import type { RegionStores } from './region-stores.ts';

/** What the hub is made of, as handlers see it. Constructed in wire.ts. */
export interface Services {
  environment: string;
  database: Database;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: HubMetrics;
  keys: KeyCache;
  logins: LoginLimits;
  /** How many requests each application key may make of this process; undefined for any number. */
  keyRates: { limiter: LocalRateLimiter; rate: RateLimit } | undefined;
  /** Of guesses at passwords; counted apart from application keys, which nobody guesses, and for all hubs. */
  guesses: GuessLimits;
  passwords: Passwords;
  people: People;
  /** The OpenID provider that people may sign in at, and who may come in by it. */
  oidc: { provider: Oidc; rules: OidcRules } | undefined;
  stores: RegionStores;
  waits: FenceWaits;
  events: EventStreams;
  hints: Hints;
  /** Milliseconds for which publishers wait for a gateway that stopped reporting without a word. */
  gatewayForgetMs: number;
  /** Days for which what is deleted can be brought back; 0 for not at all. */
  undeleteDays: number;
  /** Milliseconds a region's store is given to answer. */
  storeTimeoutMs: number;
  /** Proxies in front of the hub that append to `x-forwarded-for`. */
  proxyHops: number;
  /** Set once the hub has begun to stop. */
  /** It was told to end, answers as before, and is not ready: load balancers are to go elsewhere. */
  draining: { readonly aborted: boolean };
  stopping: { readonly aborted: boolean };
}
