import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Random, systemRandom } from '../base/random.ts';
import { decodeEnvelope, type Envelope } from '../envelope.ts';
import { isContextKey } from '../keys.ts';
import { type ContextRef, type KindName, refText } from '../kinds/index.ts';
import { limits } from '../limits.ts';
import type { VersionText } from '../revision.ts';
import {
  type Announcement,
  checkOwner,
  type FeedHead,
  type FeedPage,
  type GatewayStatus,
  type Identity,
  type IdentityOutcome,
  type IdentityOwner,
  type KeyUses,
  layoutVersion,
  type PutOutcome,
  type ReadResult,
  type ScanOptions,
  type Store,
  type StoredItem,
  StoreError,
  type Stray,
} from '../store.ts';
import { MemoryTable, type RawContext } from './memory-table.ts';
import { refuseOversize } from './oversize.ts';

/**
 * The store in memory: the reference of what {@link Store} means, and the only double in the tests.
 *
 * Each operation takes effect at once, whole, in the moment it is called, so a test decides every interleaving by
 * the order of its calls. Handles made with the same {@link MemoryTable} see one table, as processes do.
 */
export class MemoryStore implements Store {
  readonly table: MemoryTable;
  readonly #random: Random;

  /** `clock` is taken because every store takes one; memory never waits and asks no time. */
  constructor(options: { clock?: Clock; table?: MemoryTable; random?: Random } = {}) {
    this.table = options.table ?? new MemoryTable();
    this.#random = options.random ?? systemRandom;
  }

  async readIdentity(): Promise<IdentityOutcome> {
    const { exists, identity } = this.table;
    if (!exists) return { outcome: 'no-table' };
    return identity ? { outcome: 'identity', identity: { ...identity } } : { outcome: 'no-identity' };
  }

  async initialise(
    wanted: IdentityOwner,
    options: { shards: number; newIncarnation: string },
  ): Promise<Identity> {
    assert(
      options.shards >= 1 && options.shards <= limits.shardsMax,
      `${options.shards} shards are out of range`,
    );
    const { environment, region, hubId } = wanted;
    this.table.exists = true;
    this.table.identity ??= {
      environment,
      region,
      hubId,
      layoutVersion,
      shards: options.shards,
      incarnation: options.newIncarnation,
      whole: false,
      highWater: null,
    };
    checkOwner(this.table.identity, wanted);
    this.#ensureFeedHead();
    return { ...this.table.identity };
  }

  async setWhole(incarnation: string, whole: boolean): Promise<'set' | 'other-incarnation'> {
    this.#requireTable();
    const { identity } = this.table;
    if (identity?.incarnation !== incarnation) return 'other-incarnation';
    this.table.identity = { ...identity, whole };
    return 'set';
  }

  async raiseHighWater(version: VersionText): Promise<'raised' | 'already-higher'> {
    const identity = this.#requireIdentity();
    if (identity.highWater !== null && identity.highWater >= version) return 'already-higher';
    this.table.identity = { ...identity, highWater: version };
    return 'raised';
  }

  async read(refs: readonly ContextRef[]): Promise<ReadResult> {
    assert(
      refs.length <= limits.batchMax,
      `a read of ${refs.length} contexts; the most is ${limits.batchMax}`,
    );
    const items = new Map<string, StoredItem>();
    const { identity } = this.table;
    if (!identity) return { items, identity: undefined };
    for (const ref of refs) {
      const raw = this.table.raw(ref);
      if (raw && isContextKey(ref.key)) items.set(refText(ref), toItem(raw));
    }
    return { items, identity: { ...identity } };
  }

  async put(envelope: Envelope, options: { replacing?: string } = {}): Promise<PutOutcome> {
    assert(isContextKey(envelope.key), `${JSON.stringify(envelope.key)} cannot be the key of a context`);
    refuseOversize(envelope);
    this.#requireIdentity();
    const found = this.table.raw(envelope);
    const mayWrite =
      typeof found?.version !== 'string' ||
      found.version < envelope.version ||
      found.version === options.replacing;
    if (mayWrite) {
      this.table.contexts.set(refText(envelope), { ...envelope });
      return 'written';
    }
    const decoded = decodeEnvelope(found);
    const same = decoded.outcome === 'decoded' && decoded.envelope.hash === envelope.hash;
    return same ? 'duplicate' : 'superseded';
  }

  async *scan(kind: KindName, options: ScanOptions = {}): AsyncIterable<readonly StoredItem[]> {
    this.#requireIdentity();
    const { after, upTo, onStray } = options;
    for (const raw of this.table.contexts.values()) {
      if (raw.kind === kind && !isContextKey(raw.key)) onStray?.({ partition: kind, key: raw.key });
    }
    const keys = [...this.table.contexts.values()]
      .filter((raw) => raw.kind === kind && isContextKey(raw.key))
      .map((raw) => raw.key)
      .filter((key) => (after === undefined || key > after) && (upTo === undefined || key <= upTo))
      .sort((a, b) => (a < b ? -1 : 1));
    for (const key of keys) {
      const raw = this.table.raw({ kind, key }); // as of now, not of the scan's start: pages are read late
      if (raw) yield [toItem(raw)];
    }
  }

  async discard({ partition, key }: Stray): Promise<void> {
    this.#requireIdentity();
    this.table.contexts.delete(`${partition}/${key}`);
  }

  async expire(ref: ContextRef, version: VersionText): Promise<'removed' | 'changed'> {
    this.#requireIdentity();
    const found = this.table.raw(ref);
    if (found?.version !== version || found.bodyText !== null) return 'changed';
    this.table.delete(ref);
    return 'removed';
  }

  async announce(announcements: readonly Announcement[], atMs: number): Promise<number> {
    const head = this.#ensureFeedHead();
    for (let start = 0; start < announcements.length; start += limits.batchMax) {
      head.number += 1;
      const part = announcements.slice(start, start + limits.batchMax).map((one) => ({ ...one }));
      this.table.feed.set(head.number, { number: head.number, atMs, announcements: part });
    }
    return head.number;
  }

  async readFeed(after: number, limit: number): Promise<FeedPage> {
    assert(limit >= 1, 'a page of the feed has at least one entry');
    const head = await this.readFeedHead();
    const above = this.#feedInOrder().filter((entry) => entry.number > after);
    return { entries: above.slice(0, limit), head: above.length <= limit ? head : undefined };
  }

  async readFeedHead(): Promise<FeedHead> {
    this.#requireTable();
    if (!this.table.feedHead) throw new StoreError('STORE_NOT_INITIALISED', 'the feed has no head');
    return { ...this.table.feedHead };
  }

  async trimFeed(beforeMs: number): Promise<number> {
    const head = await this.readFeedHead();
    let removed = 0;
    for (const { number, atMs } of this.#feedInOrder()) {
      if (atMs >= beforeMs || number >= head.number) break;
      this.table.feed.delete(number);
      removed += 1;
    }
    return removed;
  }

  async reportGateway(status: GatewayStatus): Promise<void> {
    this.#requireTable();
    this.table.gateways.set(status.id, { ...status });
  }

  async listGateways(nowMs: number): Promise<GatewayStatus[]> {
    this.#requireTable();
    return [...this.table.gateways.values()]
      .filter((status) => status.expiresAtMs >= nowMs)
      .map((status) => ({ ...status }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async trimGateways(nowMs: number): Promise<number> {
    this.#requireTable();
    const expired = [...this.table.gateways.values()].filter((status) => status.expiresAtMs < nowMs);
    for (const { id } of expired) this.table.gateways.delete(id);
    return expired.length;
  }

  async reportKeyUses(uses: KeyUses): Promise<void> {
    assert(uses.keys.length <= limits.keyUsesMax, `a word of ${uses.keys.length} keys`);
    this.#requireTable();
    this.table.keyUses.set(placeOf(uses), { ...uses, keys: [...uses.keys] });
  }

  async listKeyUses(limit: number): Promise<KeyUses[]> {
    this.#requireTable();
    const inOrder = [...this.table.keyUses].sort(([a], [b]) => (a < b ? -1 : 1));
    return inOrder.slice(0, limit).map(([, uses]) => ({ ...uses, keys: [...uses.keys] }));
  }

  async removeKeyUses(uses: KeyUses): Promise<'removed' | 'changed'> {
    this.#requireTable();
    if (this.table.keyUses.get(placeOf(uses))?.atMs !== uses.atMs) return 'changed';
    this.table.keyUses.delete(placeOf(uses));
    return 'removed';
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The head, made anew (with another incarnation, at the last entry there is) where it was lost. */
  #ensureFeedHead(): FeedHead {
    this.#requireIdentity();
    this.table.feedHead ??= {
      incarnation: Buffer.from(this.#random.bytes(16)).toString('base64url'),
      number: Math.max(0, ...this.table.feed.keys()),
    };
    return this.table.feedHead;
  }

  #feedInOrder() {
    return [...this.table.feed.values()].sort((a, b) => a.number - b.number);
  }

  #requireTable(): void {
    if (!this.table.exists) throw new StoreError('STORE_NOT_INITIALISED', 'the table does not exist');
  }

  #requireIdentity(): Identity {
    this.#requireTable();
    if (!this.table.identity) throw new StoreError('STORE_NOT_INITIALISED', 'the table has no identity');
    return this.table.identity;
  }
}

function placeOf({ gateway, place }: KeyUses): string {
  return `${gateway}:${String(place).padStart(4, '0')}`;
}

function toItem(raw: RawContext): StoredItem {
  const decoded = decodeEnvelope(raw);
  if (decoded.outcome === 'decoded') return { state: 'context', key: raw.key, envelope: decoded.envelope };
  const seen = typeof raw.version === 'string' ? raw.version : undefined;
  return { state: 'corrupt', key: raw.key, reason: decoded.reason, seen };
}
