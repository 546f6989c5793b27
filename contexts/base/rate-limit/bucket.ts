/** `limit` requests in `windowMs`. */
export interface RateLimit {
  readonly limit: number;
  readonly windowMs: number;
}

/** What has come of one request under a limit. */
export interface RateState {
  readonly rate: RateLimit;
  readonly outcome: 'within' | 'exceeded';
  /** Requests that would be granted at once now. */
  readonly remaining: number;
  /** Milliseconds until one more than `remaining` would be. */
  readonly moreInMs: number;
}

/** How full a key's bucket was, in requests, and when. */
export interface Bucket {
  level: number;
  atMs: number;
}

/** Far less than one request, far more than what additions of fractions go wrong by. */
const tolerance = 1e-6;

/**
 * The Generic Cell Rate Algorithm in its form as a continuous-state leaky bucket (ITU-T I.371, annex A): each granted
 * request fills the bucket by one, the bucket leaks `limit` in `windowMs`, and a request that would make it run over is
 * refused and fills nothing. So a key that has rested is granted `limit` requests at once, and from then on one every
 * `windowMs / limit`: never more than `limit` beyond that pace, and never more than twice `limit` in any one window.
 *
 * A limit that changes applies to the bucket as it is.
 *
 * @param nowMs of a clock that never goes back.
 */
export function take(bucket: Bucket, rate: RateLimit, nowMs: number): RateState {
  bucket.level = levelAt(bucket, rate, nowMs);
  bucket.atMs = nowMs;
  const outcome = outcomeOf(bucket.level, rate);
  if (outcome === 'within') bucket.level += 1;
  return stateOf(bucket.level, rate, outcome);
}

/** What would come of a request now, without any. */
export function look(bucket: Bucket, rate: RateLimit, nowMs: number): RateState {
  const level = levelAt(bucket, rate, nowMs);
  return stateOf(level, rate, outcomeOf(level, rate));
}

function levelAt({ level, atMs }: Bucket, { limit, windowMs }: RateLimit, nowMs: number): number {
  const leaked = (Math.max(0, nowMs - atMs) * limit) / windowMs;
  return Math.min(limit, Math.max(0, level - leaked));
}

function outcomeOf(level: number, { limit }: RateLimit): RateState['outcome'] {
  return level + 1 <= limit + tolerance ? 'within' : 'exceeded';
}

function stateOf(level: number, rate: RateLimit, outcome: RateState['outcome']): RateState {
  const { limit, windowMs } = rate;
  const remaining = Math.max(0, Math.floor(limit - level + tolerance));
  const tooMuch = level - (limit - remaining - 1);
  return { rate, outcome, remaining, moreInMs: Math.max(0, (tooMuch * windowMs) / limit) };
}
