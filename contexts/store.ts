import type { Envelope } from './envelope.ts';
import type { ContextRef, KindName } from './kinds/index.ts';
import type { VersionText } from './revision.ts';

/**
 * A region's store, as everyone sees it: one table of contexts, a feed, the status of gateways and an identity.
 *
 * Every implementation passes tests/contexts/store-conformance.ts. All reads are strongly consistent. Every
 * operation either gives one of its outcomes or throws {@link StoreError}; after a throw of `put`, `announce` or
 * any other write it is unknown whether the write happened, and doing it again is always safe.
 */
export interface Store extends AsyncDisposable {
  /** The table's identity, or why there is none. */
  readIdentity(): Promise<IdentityOutcome>;

  /**
   * Creates the table if it is absent, and its identity if there is none yet, with a fresh incarnation and not
   * `whole`. Safe to call from several processes at once: one wins, all read the same.
   */
  initialise(wanted: IdentityOwner, options: { shards: number; newIncarnation: string }): Promise<Identity>;

  /** Sets or clears `whole`, only while the incarnation is still that one. */
  setWhole(incarnation: string, whole: boolean): Promise<'set' | 'other-incarnation'>;

  /** Raises the high-water mark to `version` if it is below. */
  raiseHighWater(version: VersionText): Promise<'raised' | 'already-higher'>;

  /**
   * Reads up to `limits.batchMax` contexts, in whatever batches the store likes, together with the identity, so
   * that an absence can be told from a table that is not whole. Results are by `refText`; a context that is not
   * in the map is absent.
   */
  read(refs: readonly ContextRef[]): Promise<ReadResult>;

  /**
   * Writes if nothing newer is there (law 2): the one write path of contexts.
   * With `replacing`, the version text that was *seen* stored, it also replaces exactly that, whatever its order:
   * only for repairs of what outranks everything because it was edited. (A stored version that is no text at all
   * outranks nothing; it needs no `replacing`.)
   * @throws StoreError `STORE_REFUSED` for a body beyond `limits.bodyBytesMax`.
   */
  put(envelope: Envelope, options?: { replacing?: string }): Promise<PutOutcome>;

  /**
   * Contexts of one kind in ascending byte order of their keys, `after < key <= upTo`, tombstones and corrupt
   * items included, read in pages as the caller advances, and given in runs: as many as can be told without another
   * page. Items that no reference can name are not contexts and never given; `onStray` is told of them.
   */
  scan(kind: KindName, options?: ScanOptions): AsyncIterable<readonly StoredItem[]>;

  /** Removes an item that no reference can name. Nobody can read it, so nothing can go back by it. */
  discard(stray: Stray): Promise<void>;

  /** Removes a tombstone past its retention, only while it is still that very one. */
  expire(ref: ContextRef, version: VersionText): Promise<'removed' | 'changed'>;

  /** Appends one entry to the feed and returns its number: the last number plus one, with no gap. */
  announce(announcements: readonly Announcement[], atMs: number): Promise<number>;

  /** Entries numbered above `after`, in order, at most `limit`, and where the feed's head was seen to be. */
  readFeed(after: number, limit: number): Promise<FeedPage>;

  /** Where the feed stands now. A gateway fixes its position with this before its first fill. */
  readFeedHead(): Promise<FeedHead>;

  /** Removes entries announced before `beforeMs`, oldest first, never the newest. Returns how many. */
  trimFeed(beforeMs: number): Promise<number>;

  /** Writes a gateway's status over its last one. */
  reportGateway(status: GatewayStatus): Promise<void>;

  /** What gateways reported; those past `expiresAtMs` as of `nowMs` are left out. */
  listGateways(nowMs: number): Promise<GatewayStatus[]>;

  /** Removes statuses past their expiry as of `nowMs`. Returns how many. */
  trimGateways(nowMs: number): Promise<number>;

  /** Leaves word of keys that were used, over what this gateway left in the same place before. */
  reportKeyUses(uses: KeyUses): Promise<void>;

  /** Words of uses that wait to be read, at most `limit`, in the order of gateways and places. */
  listKeyUses(limit: number): Promise<KeyUses[]>;

  /** Removes one that was read, unless its gateway has left another in its place meanwhile. */
  removeKeyUses(uses: KeyUses): Promise<'removed' | 'changed'>;
}

/** Whom a table belongs to. A publisher or gateway refuses a table whose owner is not its own. */
export interface IdentityOwner {
  environment: string;
  region: string;
  hubId: string;
}

export interface Identity extends IdentityOwner {
  layoutVersion: number;
  shards: number;
  /** Random, new with every creation of the table: absence from another incarnation is no evidence. */
  incarnation: string;
  /** A sweep has verified that the table holds everything; until then an absence denies nobody. */
  whole: boolean;
  /** The highest version ever published here; null before the first. */
  highWater: VersionText | null;
}

export type IdentityOutcome =
  | { outcome: 'identity'; identity: Identity }
  | { outcome: 'no-table' }
  | { outcome: 'no-identity' };

export type PutOutcome =
  | 'written'
  /** This very version is already there. Not an error; it is announced all the same. */
  | 'duplicate'
  /**
   * Something newer is there, or this very version with other content: somebody edited it, and its repair draws a
   * fresh revision.
   */
  | 'superseded';

export type StoredItem =
  | { state: 'context'; key: string; envelope: Envelope }
  /** It does not decode. `seen` is the version text as found, for `put`'s `replacing`; undefined where it has none. */
  | { state: 'corrupt'; key: string; reason: string; seen: string | undefined };

export interface ScanOptions {
  after?: string;
  upTo?: string;
  onStray?(stray: Stray): void;
}

/** An item among a kind's contexts that no reference can name: its key is malformed, or not of that partition. */
export interface Stray {
  partition: string;
  key: string;
}

export interface ReadResult {
  items: Map<string, StoredItem>;
  /** As read together with the items; undefined where the table has none. */
  identity: Identity | undefined;
}

/** One context in a feed entry. */
export interface Announcement extends ContextRef {
  version: VersionText;
  /** The context is gone as of `version`: readers need not ask the store. */
  tombstone: boolean;
}

export interface FeedEntry {
  number: number;
  atMs: number;
  announcements: readonly Announcement[];
}

export interface FeedHead {
  /** Random, new with every creation of the feed. */
  incarnation: string;
  /** The last entry's number; 0 before the first. */
  number: number;
}

export interface FeedPage {
  /**
   * Ascending. Usually `after + 1` first and dense; where a number is missing, entries have expired or were
   * removed, and the reader must not go past the gap as if it had read it.
   */
  entries: readonly FeedEntry[];
  /** Present when the page reached the feed's end. It may be ahead of the entries: read again before judging. */
  head: FeedHead | undefined;
}

export interface GatewayStatus {
  /** Chosen at random by the gateway at start. */
  id: string;
  region: string;
  build: string;
  startedAtMs: number;
  reportedAtMs: number;
  /** After this it counts as dead. */
  expiresAtMs: number;
  /** The feed number up to which announcements are applied. */
  watermark: number;
  feedIncarnation: string | null;
  cachedContexts: number;
  degraded: boolean;
  /** It leaves word of the agent keys it lets in. Absent in what a build reports that cannot. */
  reportsKeyUses?: boolean | undefined;
}

/**
 * Agent keys that one gateway let in during one stretch of time. A gateway has `limits.keyUsePlaces` places for them, which it fills in
 * turn: where nobody reads, the oldest are lost, and no more is stored.
 */
export interface KeyUses {
  gateway: string;
  place: number;
  /** When the stretch ended, by the gateway's clock: none of these was used later. */
  atMs: number;
  /** Ids, at most `limits.keyUsesMax`. */
  keys: readonly string[];
}

/**
 * The store could not do it. `retry` says whether doing the same again may help; the SDK's own retries are
 * already behind it.
 */
export class StoreError extends Error {
  override name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly retry: boolean;

  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retry = code !== 'STORE_REFUSED' && code !== 'STORE_FOREIGN';
  }
}

export type StoreErrorCode =
  /** No answer in time, connection refused, or a 5xx. */
  | 'STORE_UNAVAILABLE'
  | 'STORE_THROTTLED'
  /** Credentials, permissions, a malformed request. */
  | 'STORE_REFUSED'
  /** The table does not exist, or has no identity yet. */
  | 'STORE_NOT_INITIALISED'
  /** The table belongs to another environment, region or hub, or has another layout. */
  | 'STORE_FOREIGN';

export const layoutVersion = 1;

/** @throws StoreError `STORE_FOREIGN` naming every difference, unless the table is the wanted owner's. */
export function checkOwner(identity: Identity, wanted: Partial<IdentityOwner>): void {
  const differences = (['environment', 'region', 'hubId'] as const)
    .filter((name) => wanted[name] !== undefined && wanted[name] !== identity[name])
    .map((name) => `${name} is ${JSON.stringify(identity[name])}, not ${JSON.stringify(wanted[name])}`);
  if (identity.layoutVersion !== layoutVersion) {
    differences.push(`layout version is ${identity.layoutVersion}, not ${layoutVersion}`);
  }
  if (differences.length === 0) return;
  throw new StoreError(
    'STORE_FOREIGN',
    `this table is another's: ${differences.join('; ')}. Nothing was written; point at the right table.`,
  );
}
