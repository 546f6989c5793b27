import type { LoadingCache } from './cache/cache.ts';
import type { FeedTail } from './feed-tail.ts';
import type { PreparedContexts } from './prepared.ts';
import type { Snapshots } from './snapshot/snapshots.ts';

/** Whether requests should come here, and why not or why with care. */
export interface Readiness {
  status: 'ready' | 'degraded' | 'not-ready';
  reasons: string[];
}

/** Beyond this age of the feed a gateway says that it may be behind; it goes on answering. */
const feedAgeMaxMs = 5_000;

/**
 * A gateway is *not ready* until it has seen its table's identity and fixed its place in the feed, and again once
 * it stops. With a snapshot it is ready without either. In between it is *ready* or *degraded*, whatever happens to the store: it can answer from memory, and
 * a 503 here would make load balancers empty the region (law 7).
 */
export function readinessOf(parts: {
  cache: LoadingCache<PreparedContexts>;
  tail: FeedTail;
  snapshots?: Pick<Snapshots, 'isAnswering' | 'isRestored' | 'reasons'> | undefined;
  /** Why the region has to be read first, where it has. */
  warming?: string | undefined;
  stopping: boolean;
}): Readiness {
  const { cache, tail, snapshots, warming, stopping } = parts;
  if (stopping) return { status: 'not-ready', reasons: ['the gateway is stopping'] };
  const { state, failures, suspects } = cache.stats();
  const reasons: string[] = [];
  if (tail.adrift !== undefined) reasons.push(tail.adrift);
  if (tail.failures > 0) reasons.push(`reading the store failed ${times(tail.failures)} in a row`);
  if (snapshots) reasons.push(...snapshots.reasons);
  if (warming !== undefined) reasons.push(warming);
  if (state !== 'open' || warming !== undefined) {
    const answers = state === 'open' ? snapshots?.isRestored : snapshots?.isAnswering;
    return { status: answers ? 'degraded' : 'not-ready', reasons };
  }
  if (tail.ageMs > feedAgeMaxMs)
    reasons.push(`the feed was last read ${Math.round(tail.ageMs / 1_000)} s ago`);
  if (failures > 0) reasons.push(`reading contexts failed ${times(failures)} in a row`);
  if (suspects > 0)
    reasons.push(`${suspects} entries are being verified, because announcements may have been missed`);
  return { status: reasons.length > 0 ? 'degraded' : 'ready', reasons };
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
