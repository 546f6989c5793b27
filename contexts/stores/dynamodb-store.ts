import type { Envelope } from '../envelope.ts';
import type { ContextRef, KindName } from '../kinds/index.ts';
import { limits } from '../limits.ts';
import type { VersionText } from '../revision.ts';
import type {
  Announcement,
  FeedHead,
  FeedPage,
  GatewayStatus,
  Identity,
  IdentityOutcome,
  IdentityOwner,
  KeyUses,
  PutOutcome,
  ReadResult,
  ScanOptions,
  Store,
  StoredItem,
  Stray,
} from '../store.ts';
import { ContextItems, type ContextItemsOptions } from './dynamodb-contexts.ts';
import { Feed } from './dynamodb-feed.ts';
import { GatewayItems } from './dynamodb-gateways.ts';
import { IdentityItem } from './dynamodb-identity.ts';
import { KeyUseItems } from './dynamodb-key-uses.ts';
import type { DynamoTable } from './dynamodb-table.ts';

/** {@link Store} over one DynamoDB table: five kinds of items, each in a file of its own. */
export class TableStore implements Store {
  readonly #table: DynamoTable;
  readonly #identity: IdentityItem;
  readonly #contexts: ContextItems;
  readonly #feed: Feed;
  readonly #gateways: GatewayItems;
  readonly #keyUses: KeyUseItems;

  constructor(table: DynamoTable, waiting: ContextItemsOptions) {
    this.#table = table;
    this.#identity = new IdentityItem(table, waiting.clock);
    this.#contexts = new ContextItems(table, this.#identity, waiting);
    this.#feed = new Feed(table, this.#identity, waiting);
    this.#gateways = new GatewayItems(table);
    this.#keyUses = new KeyUseItems(table);
  }

  readIdentity(): Promise<IdentityOutcome> {
    return this.#identity.read();
  }

  async initialise(
    wanted: IdentityOwner,
    options: { shards: number; newIncarnation: string },
  ): Promise<Identity> {
    const identity = await this.#identity.initialise(wanted, options);
    await this.#feed.initialise();
    return identity;
  }

  setWhole(incarnation: string, whole: boolean): Promise<'set' | 'other-incarnation'> {
    return this.#identity.setWhole(incarnation, whole);
  }

  raiseHighWater(version: VersionText): Promise<'raised' | 'already-higher'> {
    return this.#identity.raiseHighWater(version);
  }

  read(refs: readonly ContextRef[]): Promise<ReadResult> {
    return this.#contexts.read(refs);
  }

  put(envelope: Envelope, options?: { replacing?: string }): Promise<PutOutcome> {
    return this.#contexts.put(envelope, options);
  }

  scan(kind: KindName, options?: ScanOptions): AsyncIterable<readonly StoredItem[]> {
    return this.#contexts.scan(kind, options);
  }

  discard(stray: Stray): Promise<void> {
    return this.#contexts.discard(stray);
  }

  expire(ref: ContextRef, version: VersionText): Promise<'removed' | 'changed'> {
    return this.#contexts.expire(ref, version);
  }

  announce(announcements: readonly Announcement[], atMs: number): Promise<number> {
    return this.#feed.announce(announcements, atMs, limits.batchMax);
  }

  readFeed(after: number, limit: number): Promise<FeedPage> {
    return this.#feed.read(after, limit);
  }

  async readFeedHead(): Promise<FeedHead> {
    const { incarnation, number } = await this.#feed.readHead();
    return { incarnation, number };
  }

  trimFeed(beforeMs: number): Promise<number> {
    return this.#feed.trim(beforeMs);
  }

  reportGateway(status: GatewayStatus): Promise<void> {
    return this.#gateways.report(status);
  }

  listGateways(nowMs: number): Promise<GatewayStatus[]> {
    return this.#gateways.list(nowMs);
  }

  trimGateways(nowMs: number): Promise<number> {
    return this.#gateways.trim(nowMs);
  }

  reportKeyUses(uses: KeyUses): Promise<void> {
    return this.#keyUses.report(uses);
  }

  listKeyUses(limit: number): Promise<KeyUses[]> {
    return this.#keyUses.list(limit);
  }

  removeKeyUses(uses: KeyUses): Promise<'removed' | 'changed'> {
    return this.#keyUses.remove(uses);
  }

  /** Requests under way fail; none may follow. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#table[Symbol.dispose]();
  }
}
