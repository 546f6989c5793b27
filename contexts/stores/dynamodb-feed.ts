import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { type Announcement, type FeedEntry, type FeedHead, type FeedPage, StoreError } from '../store.ts';
import { slices, untilProcessed } from './dynamodb-batches.ts';
import { FeedHeadKeeper } from './dynamodb-feed-head.ts';
import type { IdentityItem } from './dynamodb-identity.ts';
import {
  decodeFeedEntry,
  decodeFeedHead,
  feedHeadKey,
  feedItem,
  feedPartition,
  feedSortKey,
} from './dynamodb-items.ts';
import { type DynamoTable, type Item, type Key, text } from './dynamodb-table.ts';

/** Tries to place one entry; each that fails means that another announcer placed one. */
const appendAttemptsMax = 40;
/** After so many numbers in a row were taken, the end is looked up instead of probed for. */
const probesMax = 3;
/** `DeleteRequest`s a `BatchWriteItem` takes. */
const deletesPerCall = 25;
/** Entries a page of trimming reads, and pages a call of it goes through. */
const trimPageItems = 100;
const trimPagesMax = 10;
/** Pages a read steps over in which no entry decodes. */
const readPagesMax = 10;

/**
 * The feed: entries numbered without a gap, appended by any number of publishers with no coordination but
 * conditional writes.
 *
 * An append puts entry n+1 *if it does not exist*, n being an entry known to exist, and then raises the head
 * item to n+1. What can come between, and what is done about it:
 *
 * - *Another took n+1.* It goes on behind that one. Readers query entries, not the head, so an entry counts from
 *   the moment it is there; a head that lags (an announcer died before raising it) is overtaken by the next.
 * - *The put's answer was lost* and the SDK tried again: n+1 exists, by us, and we go on behind it. The same
 *   announcements twice do no harm; a gap would.
 * - *We slept so long that n+1 was appended, read and trimmed* by others, and put it once more, below everyone's
 *   watermark, where nobody will read it. Trimming first raises a *floor* in the head item; raising the head finds
 *   others further, looks, finds the floor at or above our entry, and the announcements are appended again.
 * - *The table was made anew* and n belongs to the old feed. Raising the head demands the feed's incarnation; it
 *   fails, the stray entry is removed, and the announcements are appended to the new feed. A reader that comes
 *   between drops what stands above the head without a connection to it.
 *
 * Calls made while an append is under way wait and go together into one entry afterwards.
 */
export class Feed {
  readonly #table: DynamoTable;
  readonly #head: FeedHeadKeeper;
  readonly #waiting: { clock: Clock; random: Random };
  /** Calls not yet taken up, in order of arrival. Bounded by the callers: each awaits its number. */
  readonly #queue: Waiting[] = [];
  #appending = false;
  /** The last entry known to exist; undefined before the first append and after a failed one. */
  #position: FeedHead | undefined;

  constructor(table: DynamoTable, identity: IdentityItem, waiting: { clock: Clock; random: Random }) {
    this.#table = table;
    this.#head = new FeedHeadKeeper(table, identity, waiting.random);
    this.#waiting = waiting;
  }

  /** Makes sure that the feed has a head. */
  async initialise(): Promise<void> {
    await this.#head.findOrCreate();
  }

  readHead(): Promise<FeedHead> {
    return this.#head.require();
  }

  /** Nothing to announce appends nothing and returns where the feed stands. */
  async announce(announcements: readonly Announcement[], atMs: number, batchMax: number): Promise<number> {
    if (announcements.length === 0) return (await this.#head.findOrCreate()).number;
    const numbers = slices(announcements, batchMax).map((part) => {
      return new Promise<number>((resolve, reject) => {
        this.#queue.push({ announcements: part, atMs, resolve, reject });
      });
    });
    void this.#drain(batchMax);
    return Math.max(...(await Promise.all(numbers)));
  }

  async #drain(batchMax: number): Promise<void> {
    if (this.#appending) return;
    this.#appending = true;
    try {
      for (let group = this.#nextGroup(batchMax); group.length > 0; group = this.#nextGroup(batchMax)) {
        const atMs = Math.max(...group.map((one) => one.atMs));
        try {
          const number = await this.#append(
            group.flatMap((one) => one.announcements),
            atMs,
          );
          for (const one of group) one.resolve(number);
        } catch (error) {
          this.#position = undefined;
          // What waits would only queue up behind a table that does not answer: it fails too, and its callers
          // decide. A refusal is about this entry alone.
          const refused = error instanceof StoreError && !error.retry;
          for (const one of refused ? group : [...group, ...this.#queue.splice(0)]) one.reject(error);
        }
      }
    } finally {
      this.#appending = false;
    }
  }

  /** As many waiting calls as fit into one entry, from the oldest on. */
  #nextGroup(batchMax: number): Waiting[] {
    let announcements = 0;
    let count = 0;
    for (const { announcements: more } of this.#queue) {
      announcements += more.length;
      if (announcements > batchMax) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #append(announcements: Announcement[], atMs: number): Promise<number> {
    let last = this.#position ?? (await this.#head.findOrCreate());
    let taken = 0;
    for (let attempt = 0; attempt < appendAttemptsMax; attempt++) {
      const number = last.number + 1;
      const item = feedItem({ number, atMs, announcements });
      const put = await this.#table.put(item, { expression: 'attribute_not_exists(pk)' });
      if (put.outcome === 'refused') {
        taken += 1;
        last = await this.#goOnBehind({ ...last, number }, taken);
        continue;
      }
      taken = 0;
      const raised = await this.#head.raise({ incarnation: last.incarnation, number });
      if (raised === 'counts') {
        this.#position = { incarnation: last.incarnation, number };
        return number;
      }
      if (raised === 'other-feed') await this.#removeStray(item);
      last = await this.#head.findOrCreate();
    }
    throw new StoreError('STORE_THROTTLED', `no place in the feed after ${appendAttemptsMax} attempts`);
  }

  /** Where to go on when `taken` was found to exist: behind it, or behind what is known to come later. */
  async #goOnBehind(taken: FeedHead, inARow: number): Promise<FeedHead> {
    const head = await this.#head.findOrCreate();
    if (head.incarnation !== taken.incarnation || head.number > taken.number) return head;
    if (inARow < probesMax) return taken;
    return { ...taken, number: Math.max(taken.number, await this.#head.highestEntry()) };
  }

  async #removeStray(item: Item): Promise<void> {
    const key = { pk: feedPartition, sk: item.sk?.S ?? '' };
    await this.#table.remove(key, { expression: 'a = :a', values: { ':a': text(item.a?.S ?? '') } });
  }

  /**
   * One query above the watermark: the entries sort first, and the head item after them, so it is as new as what
   * was read before it. A page without it was cut short by the limit or by its size: there may be more.
   */
  async read(after: number, limit: number): Promise<FeedPage> {
    assert(limit >= 1, 'a page of the feed has at least one entry');
    assert(Number.isSafeInteger(after) && after >= 0, `${after} is no position in a feed`);
    const range = { pk: feedPartition, after: feedSortKey(after), limit: limit + 1, polled: true as const };
    let page = await this.#table.query(range);
    let entries = decodeEntries(page.items);
    // A page in which nothing decodes says neither what to do nor where to go on: step over it.
    for (
      let pages = 1;
      entries.length === 0 && page.next && !findHead(page.items) && pages < readPagesMax;
      pages++
    ) {
      page = await this.#table.query({ ...range, startAt: page.next });
      entries = decodeEntries(page.items);
    }
    const head = findHead(page.items);
    if (head) {
      const { incarnation, number } = head;
      return { entries: connected(entries, number).slice(0, limit), head: { incarnation, number } };
    }
    if (entries.length === 0 && !page.next)
      throw new StoreError('STORE_NOT_INITIALISED', 'the feed has no head');
    return { entries: entries.slice(0, limit), head: undefined };
  }

  async trim(beforeMs: number): Promise<number> {
    const head = await this.#head.require();
    let removed = 0;
    for (let page = 0; page < trimPagesMax; page++) {
      const query = { pk: feedPartition, before: feedSortKey(head.number), limit: trimPageItems };
      const { items, next } = await this.#table.query(query);
      const kept = items.findIndex((item) => Number(item.t?.N ?? 0) >= beforeMs);
      const old = items.slice(0, kept === -1 ? items.length : kept);
      const last = old.at(-1);
      if (!last || !(await this.#head.raiseFloor(head.incarnation, Number(last.sk?.S)))) break;
      for (const part of slices(old, deletesPerCall)) {
        const keys = part.map((item): Key => ({ pk: feedPartition, sk: item.sk?.S ?? '' }));
        await untilProcessed(keys, (left) => this.#table.removeBatch(left), this.#waiting);
        removed += part.length;
      }
      if (!next || old.length < items.length) break;
    }
    return removed;
  }
}

function decodeEntries(items: readonly Item[]): FeedEntry[] {
  return items.map(decodeFeedEntry).filter((entry) => entry !== undefined);
}

function findHead(items: readonly Item[]): FeedHead | undefined {
  return decodeFeedHead(items.find((item) => item.sk?.S === feedHeadKey.sk));
}

interface Waiting {
  announcements: readonly Announcement[];
  atMs: number;
  resolve(number: number): void;
  reject(error: unknown): void;
}

/** Without what stands above the head and does not follow from it, which is a stray of an older feed. */
function connected(entries: readonly FeedEntry[], head: number): FeedEntry[] {
  let last = head;
  return entries.filter(({ number }) => {
    if (number > last + 1) return false;
    last = Math.max(last, number);
    return true;
  });
}
