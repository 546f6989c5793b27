import { LRUCache } from 'lru-cache';
import { assert } from '../../contexts/base/assert.ts';
import { type KindName, kindNames } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Held, PresentEntry } from './present-entry.ts';

export interface NegativeEntry extends Held {
  readonly negative: true;
  /**
   * `unknown`: read as absent from a whole table. `tombstone`: read or announced as gone. `undecodable`: there is
   * something, but this build cannot read it; kept for a moment only, so that one bad item is not a read storm.
   */
  readonly why: 'unknown' | 'tombstone' | 'undecodable';
  /** The newest version ever held or announced for the key; nothing older may follow it. */
  readonly version: VersionText | undefined;
  /** A tombstone that the feed told, and that needed no reading. */
  readonly announced: boolean;
}

export type Entry<Value = unknown> = PresentEntry<Value> | NegativeEntry;

/** Uses of an entry within this time count as one: the order of eviction need not be finer, and a hit is cheaper. */
const touchEveryMs = 1_000;

/**
 * What the cache holds: present values and negatives, in two LRUs, keyed by `refText`.
 *
 * Present values are also indexed by kind and key, so that a hit neither joins nor hashes a text of its own: the
 * index holds exactly what the LRU of present values holds.
 *
 * A key is in at most one of the two. Nothing here expires by itself: lru-cache's own `ttl` and `fetch` are not
 * used, because a fetch that finds nothing puts the stale value back, and so a revoked key would live again.
 */
export class Entries {
  readonly #present: LRUCache<string, PresentEntry>;
  readonly #index: { readonly [Kind in KindName]: Map<string, PresentEntry> };
  readonly #negative: LRUCache<string, NegativeEntry>;

  constructor(options: {
    entriesMax: number;
    bytesMax: number;
    negativesMax: number;
    onEvicted(ref: string): void;
  }) {
    const dispose = (_entry: unknown, ref: string, reason: string) => {
      if (reason === 'evict') options.onEvicted(ref);
    };
    this.#index = Object.fromEntries(kindNames.map((kind) => [kind, new Map()])) as never;
    this.#present = new LRUCache<string, PresentEntry>({
      max: options.entriesMax,
      maxSize: options.bytesMax,
      sizeCalculation: (entry) => entry.bytes,
      dispose: (entry, ref, reason) => {
        this.#index[entry.kind].delete(entry.key);
        entry.leave();
        dispose(entry, ref, reason);
      },
    });
    this.#negative = new LRUCache<string, NegativeEntry>({ max: options.negativesMax, dispose });
  }

  /** The present entry. {@link touch} makes it count as used. */
  present(kind: KindName, key: string): PresentEntry | undefined {
    return this.#index[kind].get(key);
  }

  /** `entry`, which is held, is used now. */
  touch(entry: PresentEntry, now: number): void {
    entry.touchAt = now + touchEveryMs;
    this.#present.get(entry.ref);
  }

  /** The negative entry, which counts as used. */
  negative(ref: string): NegativeEntry | undefined {
    return this.#negative.get(ref);
  }

  /** Either, without counting as a use. */
  peek(ref: string): Entry | undefined {
    return this.#present.peek(ref) ?? this.#negative.peek(ref);
  }

  /** Puts `entry` in place of whatever is held, which must not be newer (law 2). */
  put(ref: string, entry: Entry): void {
    const held = this.peek(ref);
    if (held?.version !== undefined && held !== entry) {
      assert(
        entry.version !== undefined && entry.version >= held.version,
        `${ref}: ${entry.version} would replace the newer ${held.version}`,
      );
      const revives =
        held.negative && held.why === 'tombstone' && !entry.negative && entry.version === held.version;
      assert(!revives, `${ref}: a tombstone would be revived at its own version ${held.version}`);
    }
    if (entry.negative) {
      this.#present.delete(ref);
      this.#negative.set(ref, entry);
    } else {
      this.#negative.delete(ref);
      this.#present.set(ref, entry);
      // One that is larger than all of the room was not taken.
      if (this.#present.has(ref)) this.#index[entry.kind].set(entry.key, entry);
    }
  }

  get presentCount(): number {
    return this.#present.size;
  }

  get presentBytes(): number {
    return this.#present.calculatedSize;
  }

  get negativeCount(): number {
    return this.#negative.size;
  }

  /** The names of all of them, negatives first, least recently used first. */
  refs(): string[] {
    return [...this.#negative.rkeys(), ...this.#present.rkeys()];
  }

  /** All of them, most recently used first, present ones before negatives. Not to be changed while iterated. */
  *all(): Generator<[ref: string, entry: Entry]> {
    yield* this.#present.entries() as Generator<[string, PresentEntry]>;
    yield* this.#negative.entries() as Generator<[string, NegativeEntry]>;
  }
}
