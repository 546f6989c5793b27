import type { RateState } from './bucket.ts';

/**
 * What callers are told of a limit, in the fields of draft-ietf-httpapi-ratelimit-headers-11 (section 3, `RateLimit-Policy`:
 * `q` requests in `w` seconds; section 4, `RateLimit`: `r` of them left, and no more within `t` seconds). They know whole
 * seconds only, so both are rounded up. A refusal says in `retry-after` when the next request would be granted, which
 * is the end of `t` (section 6).
 *
 * @param name of the policy: what is counted.
 */
export function rateLimitHeaders(state: RateState, name: string): Record<string, string> {
  const { rate, remaining, moreInMs, outcome } = state;
  // A thousandth of a millisecond is what fractions go wrong by, and no second more.
  const seconds = Math.max(1, Math.ceil((moreInMs - 0.001) / 1000));
  return {
    'ratelimit-policy': `"${name}";q=${rate.limit};w=${Math.ceil(rate.windowMs / 1000)}`,
    ratelimit: `"${name}";r=${remaining};t=${seconds}`,
    ...(outcome === 'exceeded' ? { 'retry-after': String(seconds) } : {}),
  };
}
