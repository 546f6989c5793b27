import type { Random } from '../base/random.ts';
import { type FeedHead, StoreError } from '../store.ts';
import type { IdentityItem } from './dynamodb-identity.ts';
import {
  decodeFeedHead,
  type FeedHeadItem,
  feedHeadItem,
  feedHeadKey,
  feedPartition,
} from './dynamodb-items.ts';
import { type DynamoTable, number as numeric, text } from './dynamodb-table.ts';

/** The feed's head item: where the feed stands, which feed it is, and how far it was trimmed. It never expires. */
export class FeedHeadKeeper {
  readonly #table: DynamoTable;
  readonly #identity: IdentityItem;
  readonly #random: Random;

  constructor(table: DynamoTable, identity: IdentityItem, random: Random) {
    this.#table = table;
    this.#identity = identity;
    this.#random = random;
  }

  /** @throws StoreError `STORE_NOT_INITIALISED` where there is none: a reader makes none. */
  async require(): Promise<FeedHeadItem> {
    const head = decodeFeedHead(await this.#table.get(feedHeadKey));
    if (!head) throw new StoreError('STORE_NOT_INITIALISED', 'the feed has no head');
    return head;
  }

  /**
   * The head as it is; where it is lost or was edited into nonsense, a new one at the last entry there is, with
   * another incarnation, so that every reader knows that it cannot tell what it missed.
   */
  async findOrCreate(): Promise<FeedHead> {
    const item = await this.#table.get(feedHeadKey);
    const found = decodeFeedHead(item);
    if (found) return found;
    await this.#identity.require();
    const incarnation = Buffer.from(this.#random.bytes(16)).toString('base64url');
    const fresh = { incarnation, number: await this.highestEntry() };
    await this.#table.put(feedHeadItem(fresh), item ? undefined : { expression: 'attribute_not_exists(pk)' });
    return this.require();
  }

  /** The highest number of an entry, 0 where there is none. */
  async highestEntry(): Promise<number> {
    const query = { pk: feedPartition, before: feedHeadKey.sk, limit: 1, descending: true as const };
    const { items } = await this.#table.query(query);
    return items[0] ? Number(items[0].sk?.S) || 0 : 0;
  }

  /**
   * Raises the head to an entry that was just put.
   * `counts` also where others are further already; `trimmed` where all readers are past that number, so that
   * nobody will read the entry; `other-feed` where the head is not of that incarnation any more.
   */
  async raise(to: FeedHead): Promise<'counts' | 'trimmed' | 'other-feed'> {
    const { incarnation, number } = to;
    const written = await this.#table.update(feedHeadKey, 'SET n = :n', {
      expression: 'inc = :inc AND n < :n', // and so above the floor, which is never above n
      values: { ':inc': text(incarnation), ':n': numeric(number) },
    });
    if (written.outcome === 'done') return 'counts';
    const head = decodeFeedHead(written.found ?? (await this.#table.get(feedHeadKey)));
    if (head?.incarnation !== incarnation) return 'other-feed';
    return head.floor >= number ? 'trimmed' : 'counts';
  }

  /** Says that all entries up to `floor` are about to go. False where this is another feed now: nothing may go. */
  async raiseFloor(incarnation: string, floor: number): Promise<boolean> {
    const written = await this.#table.update(feedHeadKey, 'SET f = :f', {
      expression: 'inc = :inc AND (attribute_not_exists(f) OR f < :f)',
      values: { ':inc': text(incarnation), ':f': numeric(floor) },
    });
    if (written.outcome === 'done') return true;
    const head = decodeFeedHead(written.found ?? (await this.#table.get(feedHeadKey)));
    return head?.incarnation === incarnation;
  }
}
