import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Restored } from './holding.ts';
import type { PresentLookup } from './outcomes.ts';

/** What is kept of every key that is held, present or not. */
export interface Held extends ContextRef {
  /**
   * The highest version announced as live that this entry does not have yet. While it is set the entry is
   * *superseded*, and no fill may store anything below it. Above `version`, or at it where the entry is an absence.
   */
  floor: VersionText | undefined;
  /** The incarnation of the table that announced `floor`: what another one lacks does not contradict it. */
  floorOf: string | undefined;
  /** An announcement may have been missed: to be read again, asked for or not. */
  suspect: boolean;
  /** It comes from a snapshot, and has not been read since. */
  restored: Restored | undefined;
  /** Monotonic time since which this is known. Of what is restored: since when it is held here. */
  readonly learntAt: number;
  /** Monotonic time from which a look-up starts a refresh. Infinity while one is under way; 0 in what is aged. */
  refreshAt: number;
}

/** What a present entry is made of. */
export interface Presence<Value = unknown> extends Held {
  readonly version: VersionText;
  readonly value: Value;
  readonly bytes: number;
  /** As the store had it, where the cache was told to keep it: what a snapshot is made of. */
  readonly bodyText: string | undefined;
  /** `refText` of it, for what is done more rarely than being read. */
  readonly ref: string;
  /** Monotonic time from which it is told as stale; 0 once it is suspect or superseded, or is held no more. */
  staleAt: number;
  /** Monotonic time from which a look-up counts as a use once more. */
  touchAt: number;
}

/**
 * With many keys a request pays for the memory it has to fetch more than for what it does there. So what a hit looks
 * at stands at the beginning and is little: one time in place of three, which as a whole number lies in the entry
 * itself, and the value.
 */
export class PresentEntry<Value = unknown> implements Presence<Value> {
  /**
   * Monotonic time before which a look-up has nothing to do but to take the value: never after the other three. 0 until
   * {@link settle} has worked it out, and whenever one of them was set.
   */
  quietUntil = 0;
  value: Value;
  readonly negative = false;
  readonly kind: KindName;
  readonly key: string;
  readonly ref: string;
  readonly version: VersionText;
  readonly bytes: number;
  bodyText: string | undefined;
  floor: VersionText | undefined;
  floorOf: string | undefined;
  suspect: boolean;
  restored: Restored | undefined;
  readonly learntAt: number;
  /** What a look-up returns while the entry is fresh: made once, so that a hit allocates nothing. */
  hit: PresentLookup<Value>;
  #staleAt: number;
  #refreshAt: number;
  #touchAt: number;

  constructor(of: Presence<Value>) {
    const { value, version } = of;
    this.value = value;
    this.kind = of.kind;
    this.key = of.key;
    this.ref = of.ref;
    this.version = version;
    this.bytes = of.bytes;
    this.bodyText = of.bodyText;
    this.floor = of.floor;
    this.floorOf = of.floorOf;
    this.suspect = of.suspect;
    this.restored = of.restored;
    this.learntAt = of.learntAt;
    this.hit = { state: 'present', outcome: 'hit', value, version };
    this.#staleAt = of.staleAt;
    this.#refreshAt = of.refreshAt;
    this.#touchAt = of.touchAt;
  }

  get staleAt(): number {
    return this.#staleAt;
  }

  set staleAt(at: number) {
    this.#staleAt = at;
    this.quietUntil = 0;
  }

  get refreshAt(): number {
    return this.#refreshAt;
  }

  set refreshAt(at: number) {
    this.#refreshAt = at;
    this.quietUntil = 0;
  }

  get touchAt(): number {
    return this.#touchAt;
  }

  set touchAt(at: number) {
    this.#touchAt = at;
    this.quietUntil = 0;
  }

  /** Whether whoever found it before need not look it up again. What has left the cache never is. */
  isFresh(now: number): boolean {
    return now < this.quietUntil || now < this.#staleAt;
  }

  /** Nothing is due: there is quiet until something is. */
  settle(): void {
    this.quietUntil = Math.floor(Math.min(this.#staleAt, this.#refreshAt, this.#touchAt));
  }

  /**
   * It is held no more. Whoever remembers it sees that it is to be looked up, and keeps nothing alive but its names:
   * what is forgotten is not to be counted.
   */
  leave(): void {
    this.staleAt = 0;
    this.value = this.hit = this.bodyText = undefined as never;
  }
}
