import { refText } from '../contexts/kinds/index.ts';
import type { Announcement, FeedHead } from '../contexts/store.ts';
import type { FeedListener } from './feed-tail.ts';

/** What it needs of the loading cache. */
export interface OwingCache {
  announced(announcement: Announcement): unknown;
  suspectAll(): void;
  pin(incarnation: string): void;
  /** Whether what is served for that key may be older than what was announced for it. */
  owes(ref: string): boolean;
  /** The keys held, by `refText`. */
  held(): Iterable<string>;
}

/** So many are remembered before those that are settled are looked for among them. */
const pruneFrom = 10_000;

/**
 * Between the tail and the cache: knows up to which number the feed is *in force* here, which is what the gateway
 * reports as its watermark.
 *
 * A tombstone is in force when it was heard. Anything else supersedes what is held, and that is served until the
 * newer one was read; until then the entry is *owed*, from its number on. When announcements may have been missed,
 * everything held is owed, from the beginning. Nothing is owed for keys that are not held: who asks for them reads.
 */
export class AppliedFeed implements FeedListener {
  readonly #cache: OwingCache;
  /** By the number from which on it is owed, ascending: the first is what holds the watermark. */
  readonly #owed = new Map<string, number>();
  #pruneAt = pruneFrom;

  constructor(cache: OwingCache) {
    this.#cache = cache;
  }

  announced(announcement: Announcement, number: number): void {
    const ref = refText(announcement);
    if (!this.#cache.owes(ref)) this.#owed.delete(ref); // it was read since: what is owed begins anew
    this.#cache.announced(announcement);
    if (!this.#cache.owes(ref) || this.#owed.has(ref)) return;
    this.#owed.set(ref, number);
    if (this.#owed.size >= this.#pruneAt) this.#prune();
  }

  suspectAll(): void {
    this.#cache.suspectAll();
    this.#oweAll();
  }

  pin(incarnation: string): void {
    this.#cache.pin(incarnation);
    this.#oweAll();
  }

  /** Where the feed is in force, given where the tail has read it to. */
  inForce(read: FeedHead): FeedHead {
    for (const [ref, from] of this.#owed) {
      if (this.#cache.owes(ref)) return { ...read, number: Math.max(0, Math.min(read.number, from - 1)) };
      this.#owed.delete(ref);
    }
    return read;
  }

  #oweAll(): void {
    this.#owed.clear();
    for (const ref of this.#cache.held()) if (this.#cache.owes(ref)) this.#owed.set(ref, 0);
  }

  /** Bounded by what the cache holds: the rest was read, or pushed out. */
  #prune(): void {
    for (const ref of this.#owed.keys()) if (!this.#cache.owes(ref)) this.#owed.delete(ref);
    this.#pruneAt = Math.max(pruneFrom, this.#owed.size * 2);
  }
}
