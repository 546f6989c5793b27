import type { Clock } from '../contexts/base/clock.ts';
import type { ContextRef } from '../contexts/kinds/index.ts';
import { refText } from '../contexts/kinds/index.ts';
import type { FeedHead, Store } from '../contexts/store.ts';
import type { Receipt } from '../hub/db/receipts.ts';
import type { ContextOutcome, Publisher } from './publish.ts';

/** Something newer was put by another job, whose announcement may still be to come: so often it is published again. */
const attemptsMax = 3;
/** Contexts that a receipt names as held back; more are counted. */
const namesMax = 3;

/**
 * Publishes what a job names and says what came of it, for the fences that wait for the job.
 *
 * The feed's head is read after the announcement: whoever has applied the feed up to there has applied the
 * announcement. A feed made anew in between is covered too: who follows the new one has verified all it holds since.
 */
export async function publishForReceipt(
  refs: readonly ContextRef[],
  id: string,
  parts: { publisher: Publisher; store: Pick<Store, 'readFeedHead'>; clock: Clock },
): Promise<Receipt> {
  const { publisher, store, clock } = parts;
  const unproven = new Map<string, ContextOutcome>();
  let left = refs;
  let putAtMs = clock.monotonic();
  for (let attempt = 1; left.length > 0 && attempt <= attemptsMax; attempt++) {
    const published = await publisher.publish({ refs: left });
    putAtMs = published.putAtMs;
    const overtaken: ContextRef[] = [];
    for (const ref of left) {
      const outcome = published.outcomes.get(refText(ref)) ?? 'unknown';
      if (isInPlace(outcome)) unproven.delete(refText(ref));
      else unproven.set(refText(ref), outcome);
      if (outcome === 'superseded') overtaken.push(ref);
    }
    left = overtaken;
  }
  const announcedAtMs = clock.monotonic();
  const feed: FeedHead = await store.readFeedHead();
  const nowMs = clock.monotonic();
  return {
    id,
    feed,
    storedAgoMs: nowMs - putAtMs,
    announcedAgoMs: nowMs - announcedAtMs,
    heldBack: describe(unproven),
  };
}

/** Whether the region holds and has announced what was built, after that outcome. */
export function isInPlace(outcome: ContextOutcome): boolean {
  return outcome === 'written' || outcome === 'duplicate';
}

function describe(unproven: ReadonlyMap<string, ContextOutcome>): string | null {
  if (unproven.size === 0) return null;
  const named = [...unproven].slice(0, namesMax).map(([ref, outcome]) => `${ref} is ${outcome}`);
  const more = unproven.size - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
