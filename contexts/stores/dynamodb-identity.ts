import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { limits } from '../limits.ts';
import type { VersionText } from '../revision.ts';
import {
  checkOwner,
  type Identity,
  type IdentityOutcome,
  type IdentityOwner,
  layoutVersion,
  StoreError,
} from '../store.ts';
import { decodeIdentity, identityItem, identityKey } from './dynamodb-items.ts';
import { type DynamoTable, type Item, text } from './dynamodb-table.ts';

/** How long a new table may take to become usable. AWS takes some ten seconds. */
const creationMsMax = 120_000;
const creationPollMs = 200;

/**
 * The table's identity item, and what the handle remembers of it: the number of shards, without which no context
 * is found. It is read once, at the first operation, and again whenever anything shows that the table was made
 * anew; every operation that sees the identity hands it to {@link adopt}.
 */
export class IdentityItem {
  readonly #table: DynamoTable;
  readonly #clock: Clock;
  #known: Identity | undefined;

  constructor(table: DynamoTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  async read(): Promise<IdentityOutcome> {
    let item: Item | undefined;
    try {
      item = await this.#table.get(identityKey);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_NOT_INITIALISED')) throw error;
      this.#known = undefined;
      return { outcome: 'no-table' };
    }
    const identity = this.adopt(item);
    return identity ? { outcome: 'identity', identity } : { outcome: 'no-identity' };
  }

  /** The identity as last seen, read if it never was. @throws StoreError `STORE_NOT_INITIALISED` where it has none. */
  async require(): Promise<Identity> {
    if (this.#known) return this.#known;
    const read = await this.read();
    if (read.outcome === 'identity') return read.identity;
    const what = read.outcome === 'no-table' ? 'the table does not exist' : 'the table has no identity';
    throw new StoreError('STORE_NOT_INITIALISED', what);
  }

  /** Remembers the identity in `item`. @throws StoreError `STORE_FOREIGN` where it is there and is none. */
  adopt(item: Item | undefined): Identity | undefined {
    this.#known = item && decodeIdentity(item);
    if (item && !this.#known) {
      throw new StoreError(
        'STORE_FOREIGN',
        'the identity of this table cannot be read. Nothing was written.',
      );
    }
    return this.#known;
  }

  async initialise(
    wanted: IdentityOwner,
    options: { shards: number; newIncarnation: string },
  ): Promise<Identity> {
    const { shards, newIncarnation } = options;
    assert(shards >= 1 && shards <= limits.shardsMax, `${shards} shards are out of range`);
    let read = await this.read();
    if (read.outcome === 'no-table') {
      await this.#createTable();
      read = await this.read();
    }
    if (read.outcome !== 'identity') {
      const { environment, region, hubId } = wanted;
      const fresh = { environment, region, hubId, layoutVersion, shards, incarnation: newIncarnation };
      const item = identityItem({ ...fresh, whole: false, highWater: null });
      await this.#table.put(item, { expression: 'attribute_not_exists(pk)' });
      this.#known = undefined; // whoever won, what counts is what is there now
    }
    const identity = read.outcome === 'identity' ? read.identity : await this.require();
    checkOwner(identity, wanted);
    return identity;
  }

  async setWhole(incarnation: string, whole: boolean): Promise<'set' | 'other-incarnation'> {
    const written = await this.#table.update(identityKey, 'SET whole = :whole', {
      expression: 'incarnation = :incarnation',
      values: { ':incarnation': text(incarnation), ':whole': { BOOL: whole } },
    });
    return written.outcome === 'done' ? 'set' : 'other-incarnation';
  }

  async raiseHighWater(version: VersionText): Promise<'raised' | 'already-higher'> {
    const written = await this.#table.update(identityKey, 'SET highWater = :version', {
      expression: 'attribute_exists(pk) AND (attribute_not_exists(highWater) OR highWater < :version)',
      values: { ':version': text(version) },
    });
    if (written.outcome === 'done') {
      if (written.after) this.adopt(written.after);
      return 'raised';
    }
    const found = written.found ?? (await this.#table.get(identityKey));
    if (this.adopt(found)) return 'already-higher';
    throw new StoreError('STORE_NOT_INITIALISED', 'the table has no identity');
  }

  async #createTable(): Promise<void> {
    await this.#table.create();
    const startedAt = this.#clock.monotonic();
    while ((await this.#table.describe()) !== 'active') {
      if (this.#clock.monotonic() - startedAt > creationMsMax) {
        throw new StoreError(
          'STORE_UNAVAILABLE',
          `the table was not active ${creationMsMax} ms after its creation`,
        );
      }
      await this.#clock.sleep(creationPollMs);
    }
  }
}
