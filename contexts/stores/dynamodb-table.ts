/**
 * One DynamoDB table, as narrow as the store needs it: dynamodb.ts implements this with the AWS SDK, and the rest
 * of the store is written against it and never sees the SDK.
 *
 * All reads are strongly consistent. Every method throws `StoreError` where the table could not do it; after a
 * throw of a write it is unknown whether it happened.
 */
export interface DynamoTable extends Disposable {
  describe(): Promise<'active' | 'changing' | 'absent'>;

  /** Asks for the table to be created; not an error where another process just did. */
  create(): Promise<void>;

  get(key: Key): Promise<Item | undefined>;

  /** At most 100 keys, no two the same. What is in neither list is absent. */
  getBatch(keys: readonly Key[]): Promise<{ items: Item[]; unprocessed: Key[] }>;

  put(item: Item, condition?: Condition): Promise<WriteOutcome>;

  /** Applies an update expression, which must be conditional on the item's being there: it creates none. */
  update(key: Key, change: string, condition: Condition): Promise<WriteOutcome>;

  remove(key: Key, condition: Condition): Promise<WriteOutcome>;

  /** At most 25 keys, without conditions. Returns those that were not removed. */
  removeBatch(keys: readonly Key[]): Promise<Key[]>;

  /** A page of one partition in the order of `sk`; `next` starts the page after it. */
  query(query: Query): Promise<{ items: Item[]; next: Key | undefined }>;

  /** The same in pieces, for pages that are long and wait: its items are made as they are asked for. */
  queryInPieces(query: Query): Promise<QueryPage>;
}

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** A value as DynamoDB holds it, of those types that the store writes; of any other type all three are absent. */
export interface Attribute {
  S?: string;
  N?: string;
  BOOL?: boolean;
}

export type Item = Record<string, Attribute>;

/** Condition or update expressions share their names and values, so these stand with the condition. */
export interface Condition {
  expression: string;
  names?: Record<string, string>;
  values?: Item;
}

export interface Query {
  pk: string;
  /** `after < sk < before` or `after < sk <= upTo`, each side optional; both sides given must leave room. */
  after?: string;
  upTo?: string;
  before?: string;
  limit: number;
  descending?: true;
  startAt?: Key | undefined;
  /** Asked many times a second, mostly to hear that nothing is new: to be sent with the least work. */
  polled?: true;
}

export interface QueryPage {
  /** To be gone through once. */
  pieces: Iterable<Item[]>;
  next: Key | undefined;
}

export type WriteOutcome =
  /** `after` is the item as an update left it, for updates only. */
  | { outcome: 'done'; after?: Item }
  /** The condition did not hold. `found` is what stood there, where the table told (AWS does, dynalite does not). */
  | { outcome: 'refused'; found: Item | undefined };

export function text(value: string): Attribute {
  return { S: value };
}

export function number(value: number): Attribute {
  return { N: String(value) };
}
