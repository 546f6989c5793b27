import type { Clock } from '../../contexts/base/clock.ts';
import { LocalRateLimiter, type RateLimiter } from '../../contexts/base/rate-limit/limiter.ts';
import type { GatewayConfig } from '../config.ts';
import { type RateCounter, SharedRateLimiter } from './shared.ts';

/** Who counts for this process: itself, or the group that it is a worker of. */
export function limiterOf(
  { rateLimitedKeysMax: keysMax, workers }: GatewayConfig,
  parts: { group: RateCounter | undefined; clock: Clock; onAlone(): void },
): RateLimiter {
  const { group, clock, onAlone } = parts;
  if (group === undefined) return new LocalRateLimiter({ clock, keysMax });
  return new SharedRateLimiter({ group, workers, clock, keysMax, onAlone });
}
