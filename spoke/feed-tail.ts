import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import { limits } from '../contexts/limits.ts';
import type { Announcement, FeedEntry, FeedHead, Identity, Store } from '../contexts/store.ts';
import { within } from './within.ts';

/** What the tail tells its cache: what it needs of the loading cache. */
export interface FeedListener {
  /** `number` is the entry's that announced it. */
  announced(announcement: Announcement, number: number): unknown;
  suspectAll(): void;
  /** The feed's position is fixed: what is read from here on, of this incarnation of the table, can be trusted. */
  pin(incarnation: string): void;
}

/** What one turn of the tail came to. */
export const tailSteps = [
  'adrift',
  'pinned',
  'idle',
  'applied',
  /** Applied, and the feed goes on beyond this read. */
  'more',
  /** A number is missing: read once more before it is called a gap. */
  'looking-again',
  'gap',
  'went-back',
  'new-incarnation',
] as const;
export type TailStep = (typeof tailSteps)[number];

export interface FeedTailOptions {
  store: Pick<Store, 'readIdentity' | 'readFeedHead' | 'readFeed'>;
  clock: Clock;
  random: Random;
  listener: FeedListener;
  pollMs: number;
  readTimeoutMs: number;
  /** Whether a table with that identity is this gateway's. */
  owns(identity: Identity): boolean;
  /** An identity was read, ours or another's. */
  onIdentity(identity: Identity): void;
  onStep(step: TailStep): void;
  onError(error: unknown): void;
}

/** A place in a feed, and which feed of which table it is of. */
export interface FeedPosition {
  incarnation: string;
  feedIncarnation: string;
  number: number;
}

interface Following {
  /** Of the table, when the position was fixed. */
  readonly incarnation: string;
  readonly feedIncarnation: string;
  /** Every entry up to this one was applied, or counted as missed. */
  watermark: number;
  /** The highest head read, which a later head is never below unless the feed went back. */
  headSeen: number;
}

/** Why the tail has no position, or none it can trust. */
export type AdriftReason =
  | 'the store has not been reached yet'
  | 'the store has no table yet'
  | 'the table has no identity yet'
  | 'the table belongs to another environment or region';

/**
 * Follows the feed of the region's store and tells the cache what was published, in order.
 *
 * The tail is
 *
 * - *adrift*, at first and whenever it must doubt that the table is the one it knew: it reads the table's
 *   identity, then where the feed stands, tells the cache which incarnation counts, and is
 * - *following*: it reads what is above its watermark. It goes back to adrift when the feed's incarnation is
 *   another, or `recheck` is called because a fill saw another table.
 *
 * Three things make everything in the cache suspect, because announcements may have been missed: a gap, a head
 * below the watermark, and a new incarnation. A number that is missing below the head is judged a gap only when a
 * second read misses it as well: entries and head are read one after the other, and a head that is read later may
 * name an entry that the earlier part of the read could not see yet.
 *
 * The watermark does not stay above a head that was read. An announcer puts its entry before it raises the head and
 * may die between: such an entry is applied at once, and again with each read until the head confirms it, which
 * is harmless. So it is the highest head seen that tells whether a feed went back.
 */
export class FeedTail implements AsyncDisposable {
  readonly #options: FeedTailOptions;
  readonly #loop: Loop;
  /** Undefined while adrift. */
  #following: Following | undefined;
  #adrift: AdriftReason = 'the store has not been reached yet';
  /** The last read missed this number although the head was at or above it. */
  #missed: number | undefined;
  #pinnedBefore = false;
  /** When a turn last began that learned where the feed of our table stands. */
  #readAt: number;
  #resumeFrom: FeedPosition | undefined;
  /** How long the last turn took. */
  #turnMs = 0;

  constructor(options: FeedTailOptions) {
    this.#options = options;
    this.#readAt = options.clock.monotonic();
    const { clock, random, pollMs } = options;
    this.#loop = new Loop({
      name: 'feed-tail',
      clock,
      // From the beginning of one poll to that of the next, but never more time reading than resting.
      everyMs: () =>
        this.#following ? Math.max(pollMs - this.#turnMs, pollMs / 2) : jittered(random, 500, 0.3),
      retryMs: (failures) => jittered(random, backoffMs(failures, Math.max(pollMs, 50), 1_000), 0.3),
      turn: () => this.#turn(),
      onError: options.onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** The number up to which announcements are applied; undefined while adrift. */
  get watermark(): number | undefined {
    return this.#following?.watermark;
  }

  get feedIncarnation(): string | undefined {
    return this.#following?.feedIncarnation;
  }

  /** Where the watermark is; undefined while adrift. */
  get position(): FeedPosition | undefined {
    const following = this.#following;
    if (following === undefined) return undefined;
    const { incarnation, feedIncarnation, watermark } = following;
    return { incarnation, feedIncarnation, number: watermark };
  }

  /** Where an earlier process was: the tail goes on from there, if that is a place in the feed that it finds. */
  resumeFrom(position: FeedPosition): void {
    if (!this.#pinnedBefore) this.#resumeFrom = position;
  }

  /** Milliseconds since the feed was last read. Being adrift is no reading of it, however often it succeeds. */
  get ageMs(): number {
    return this.#options.clock.monotonic() - this.#readAt;
  }

  /** Milliseconds since a turn last succeeded, whatever it came to. */
  get loopAgeMs(): number {
    return this.#loop.ageMs();
  }

  /** Reads that failed since the last that did not. */
  get failures(): number {
    return this.#loop.failures;
  }

  get adrift(): AdriftReason | undefined {
    return this.#following ? undefined : this.#adrift;
  }

  /** A fill saw another table than the pinned one: look at identity and position again. */
  recheck(): void {
    if (this.#following === undefined) return;
    this.#following = undefined;
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #turn(): Promise<'again' | undefined> {
    const following = this.#following;
    const begunAt = this.#options.clock.monotonic();
    const step = following ? await this.#follow(following) : await this.#pin();
    this.#turnMs = this.#options.clock.monotonic() - begunAt;
    if (step !== 'adrift') this.#readAt = begunAt;
    this.#options.onStep(step);
    switch (step) {
      case 'pinned':
      case 'more':
      case 'looking-again':
      case 'new-incarnation':
        return 'again';
      default:
        return undefined;
    }
  }

  async #pin(): Promise<TailStep> {
    const { store, owns, listener } = this.#options;
    this.#missed = undefined;
    const found = await this.#within('reading the identity', () => store.readIdentity());
    if (found.outcome !== 'identity') {
      this.#adrift =
        found.outcome === 'no-table' ? 'the store has no table yet' : 'the table has no identity yet';
      return 'adrift';
    }
    const { identity } = found;
    this.#options.onIdentity(identity);
    if (!owns(identity)) {
      this.#adrift = 'the table belongs to another environment or region';
      return 'adrift';
    }
    const head = await this.#within('reading the feed head', () => store.readFeedHead());
    // What was announced between the old position and the new is not read, so it counts as missed.
    const resumed = this.#resumable(identity, head);
    if (this.#pinnedBefore || (this.#resumeFrom && resumed === undefined)) listener.suspectAll();
    this.#pinnedBefore = true;
    this.#resumeFrom = undefined;
    this.#following = {
      incarnation: identity.incarnation,
      feedIncarnation: head.incarnation,
      watermark: resumed ?? head.number,
      headSeen: head.number,
    };
    listener.pin(identity.incarnation);
    return 'pinned';
  }

  /** The number that an earlier process had come to, if it was in this very feed and the feed did not go back. */
  #resumable(identity: Identity, head: FeedHead): number | undefined {
    const from = this.#resumeFrom;
    const same =
      from?.incarnation === identity.incarnation &&
      from.feedIncarnation === head.incarnation &&
      from.number <= head.number;
    return same ? from.number : undefined;
  }

  async #follow(following: Following): Promise<TailStep> {
    const { store, listener } = this.#options;
    const { entries, head } = await this.#within('reading the feed', () =>
      store.readFeed(following.watermark, limits.batchMax),
    );
    if (this.#following !== following) return 'adrift'; // recheck() was called meanwhile
    if (head !== undefined && head.incarnation !== following.feedIncarnation) {
      this.#following = undefined;
      return 'new-incarnation';
    }
    if (head !== undefined && head.number < following.headSeen) {
      listener.suspectAll();
      following.watermark = following.headSeen = head.number;
      return 'went-back';
    }
    following.headSeen = head?.number ?? following.headSeen;

    const dense = denseEnd(entries, following.watermark);
    const top = Math.max(head?.number ?? 0, entries.at(-1)?.number ?? dense);
    if (top === dense) {
      this.#missed = undefined;
      this.#apply(entries, dense);
      following.watermark = head?.number ?? dense;
      if (head === undefined) return 'more';
      return entries.length > 0 ? 'applied' : 'idle';
    }
    if (this.#missed !== dense + 1) {
      this.#missed = dense + 1;
      this.#apply(entries, dense);
      following.watermark = Math.min(dense, head?.number ?? dense);
      return 'looking-again';
    }
    this.#missed = undefined;
    this.#apply(entries, top); // beyond the gap too, so that revocations there take effect at once
    listener.suspectAll();
    following.watermark = head?.number ?? top;
    return 'gap';
  }

  #apply(entries: readonly FeedEntry[], upTo: number): void {
    for (const entry of entries) {
      if (entry.number > upTo) return;
      for (const announcement of entry.announcements) {
        this.#options.listener.announced(announcement, entry.number);
      }
    }
  }

  #within<T>(what: string, work: () => Promise<T>): Promise<T> {
    return within(this.#options.clock, this.#options.readTimeoutMs, what, work);
  }
}

/** The last number of the unbroken run that begins just above `after`; `after` itself where there is none. */
function denseEnd(entries: readonly FeedEntry[], after: number): number {
  let end = after;
  for (const { number } of entries) {
    if (number !== end + 1) break;
    end = number;
  }
  return end;
}
