import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Envelope } from '../envelope.ts';
import { isContextKey } from '../keys.ts';
import { type ContextRef, type KindName, refText } from '../kinds/index.ts';
import { limits } from '../limits.ts';
import type { VersionText } from '../revision.ts';
import {
  type Identity,
  type PutOutcome,
  type ReadResult,
  type ScanOptions,
  type StoredItem,
  StoreError,
  type Stray,
} from '../store.ts';
import { slices, untilProcessed } from './dynamodb-batches.ts';
import type { IdentityItem } from './dynamodb-identity.ts';
import { contextItem, contextKey, contextPartition, decodeContext, identityKey } from './dynamodb-items.ts';
import { mergedByKey } from './dynamodb-merge.ts';
import { type DynamoTable, type Item, type Key, text } from './dynamodb-table.ts';
import { refuseOversize } from './oversize.ts';

/** A `BatchGetItem` takes 100 keys, and the identity is one of them in every call. */
const contextsPerCall = limits.batchMax - 1;
/** How often a read starts over because the table's identity changed under it. */
const readAttemptsMax = 3;
/** Items of all partitions together that a scan asks for at a time, unless told; it holds at most two such pages. */
const scanPageItemsDefault = 20_000;

/** What the contexts in a table need beside the table. */
export interface ContextItemsOptions {
  clock: Clock;
  random: Random;
  scanPageItems?: number | undefined;
}

/** Contexts in the table: point reads, the conditional put, the ordered scan, and the end of a tombstone. */
export class ContextItems {
  readonly #table: DynamoTable;
  readonly #identity: IdentityItem;
  readonly #waiting: ContextItemsOptions;

  constructor(table: DynamoTable, identity: IdentityItem, waiting: ContextItemsOptions) {
    this.#table = table;
    this.#identity = identity;
    this.#waiting = waiting;
  }

  /**
   * The identity is read in every batch beside the contexts, and again with what a batch left out, so that it is
   * never older than an absence that it vouches for.
   */
  async read(refs: readonly ContextRef[]): Promise<ReadResult> {
    assert(
      refs.length <= limits.batchMax,
      `a read of ${refs.length} contexts; the most is ${limits.batchMax}`,
    );
    const distinct = [...new Map(refs.map((ref) => [refText(ref), ref])).values()];
    const nameable = distinct.filter((ref) => isContextKey(ref.key));
    for (let attempt = 1; attempt <= readAttemptsMax; attempt++) {
      const result = await this.#readOnce(nameable);
      if (result !== 'identity-changed') return result;
    }
    throw new StoreError(
      'STORE_UNAVAILABLE',
      'the identity of the table changed again and again while reading',
    );
  }

  async #readOnce(refs: readonly ContextRef[]): Promise<ReadResult | 'identity-changed'> {
    const items = new Map<string, StoredItem>();
    const seen: (Identity | undefined)[] = [];
    try {
      const assumed = await this.#identity.require();
      await Promise.all(
        slices(refs, contextsPerCall).map((part) => this.#readPart(part, assumed.shards, items, seen)),
      );
      if (
        seen.some((one) => one && (one.incarnation !== assumed.incarnation || one.shards !== assumed.shards))
      ) {
        return 'identity-changed';
      }
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_NOT_INITIALISED')) throw error;
      this.#identity.adopt(undefined);
      return { items: new Map(), identity: undefined };
    }
    const last = seen.at(-1);
    if (!last || seen.includes(undefined)) return { items: new Map(), identity: undefined };
    return { items, identity: { ...last, whole: seen.every((one) => one?.whole) } };
  }

  async #readPart(
    refs: readonly ContextRef[],
    shards: number,
    items: Map<string, StoredItem>,
    seen: (Identity | undefined)[],
  ): Promise<void> {
    const byKey = new Map(refs.map((ref) => [keyText(contextKey(ref, shards)), ref]));
    const keys = [...refs.map((ref) => contextKey(ref, shards)), identityKey];
    const call = async (left: readonly Key[]): Promise<readonly Key[]> => {
      const asked = left.some(isIdentityKey) ? left : [...left, identityKey];
      const answer = await this.#table.getBatch(asked);
      const identityItem = answer.items.find((item) => isIdentityKey(itemKey(item)));
      const unprocessed = answer.unprocessed;
      if (identityItem || !unprocessed.some(isIdentityKey)) seen.push(this.#identity.adopt(identityItem));
      for (const item of answer.items) {
        const ref = byKey.get(keyText(itemKey(item)));
        const decoded = ref && decodeContext(ref.kind, item, shards);
        if (ref && decoded) items.set(refText(ref), decoded);
      }
      return unprocessed;
    };
    await untilProcessed(keys, call, this.#waiting);
  }

  /**
   * One conditional write. The condition lets through what is absent, older, or has a version that is no text at
   * all (nothing can be newer than that, and it must not stand in the way for ever); garbage that *is* text and
   * sorts above every version goes only by `replacing`.
   *
   * A refused write found our very version in two cases. Where the stored item is ours to the byte it is a
   * `duplicate`. Where it is not, somebody edited it, and the answer is `superseded`: its repair draws a fresh
   * revision, because gateways may have read the edited one under this version.
   */
  async put(envelope: Envelope, options: { replacing?: string } = {}): Promise<PutOutcome> {
    assert(isContextKey(envelope.key), `${JSON.stringify(envelope.key)} cannot be the key of a context`);
    refuseOversize(envelope);
    const { shards } = await this.#identity.require();
    const { replacing } = options;
    const written = await this.#table.put(contextItem(envelope, shards), {
      expression: `NOT attribute_type(v, :string) OR v < :v${replacing === undefined ? '' : ' OR v = :seen'}`,
      values: {
        ':string': text('S'),
        ':v': text(envelope.version),
        ...(replacing === undefined ? {} : { ':seen': text(replacing) }),
      },
    });
    if (written.outcome === 'done') return 'written';
    const found = written.found ?? (await this.#table.get(contextKey(envelope, shards)));
    const stored = found && decodeContext(envelope.kind, found, shards);
    const same =
      stored?.state === 'context' &&
      stored.envelope.version === envelope.version &&
      stored.envelope.hash === envelope.hash;
    return same ? 'duplicate' : 'superseded';
  }

  async *scan(kind: KindName, options: ScanOptions = {}): AsyncIterable<readonly StoredItem[]> {
    this.#identity.adopt(undefined); // read afresh: a sweep is what mends a table that was made anew
    const { shards } = await this.#identity.require();
    const { after, upTo, onStray } = options;
    if (after !== undefined && upTo !== undefined && after >= upTo) return;
    const limit = Math.ceil((this.#waiting.scanPageItems ?? scanPageItemsDefault) / shards);
    const partitions = Array.from({ length: shards }, (_, shard) => (startAt: Key | undefined) => {
      const query = { pk: contextPartition(kind, shard), limit, startAt };
      return this.#table.queryInPieces({
        ...query,
        ...(after ? { after } : {}),
        ...(upTo === undefined ? {} : { upTo }),
      });
    });
    for await (const run of mergedByKey(partitions)) {
      const decoded: StoredItem[] = [];
      for (const item of run) {
        const one = decodeContext(kind, item, shards);
        if (one) decoded.push(one);
        else onStray?.({ partition: itemKey(item).pk, key: itemKey(item).sk });
      }
      yield decoded;
    }
  }

  async discard({ partition, key }: Stray): Promise<void> {
    await untilProcessed(
      [{ pk: partition, sk: key }],
      (keys) => this.#table.removeBatch(keys),
      this.#waiting,
    );
  }

  async expire(ref: ContextRef, version: VersionText): Promise<'removed' | 'changed'> {
    const { shards } = await this.#identity.require();
    const written = await this.#table.remove(contextKey(ref, shards), {
      expression: 'v = :v AND attribute_not_exists(b)',
      values: { ':v': text(version) },
    });
    return written.outcome === 'done' ? 'removed' : 'changed';
  }
}

function itemKey(item: Item): Key {
  return { pk: item.pk?.S ?? '', sk: item.sk?.S ?? '' };
}

function keyText({ pk, sk }: Key): string {
  return `${pk}\0${sk}`;
}

function isIdentityKey(key: Key): boolean {
  return key.pk === identityKey.pk && key.sk === identityKey.sk;
}
