import type { StoredFields } from '../envelope.ts';
import { type ContextRef, refText } from '../kinds/index.ts';
import type { FeedEntry, GatewayStatus, Identity, KeyUses } from '../store.ts';

/** A context as the table holds it: every part may have been edited by a test, so none is trusted on reading. */
export type RawContext = StoredFields & { kind: string; key: string };

/**
 * What several {@link MemoryStore} handles share, as processes share a table.
 *
 * Everything is open to tests, which tamper here behind the store's back: edit, delete and insert contexts, drop
 * feed entries or the feed's head, delete the whole table. Production code has no business with it.
 */
export class MemoryTable {
  exists = false;
  identity: Identity | undefined;
  /** By `refText`. Not in order: a scan sorts. */
  readonly contexts = new Map<string, RawContext>();
  feedHead: { incarnation: string; number: number } | undefined;
  readonly feed = new Map<number, FeedEntry>();
  readonly gateways = new Map<string, GatewayStatus>();
  /** By gateway and place. */
  readonly keyUses = new Map<string, KeyUses>();

  /** The context as stored, for a test to look at or to write into; `undefined` where there is none. */
  raw(ref: ContextRef): RawContext | undefined {
    return this.contexts.get(refText(ref));
  }

  /** Changes parts of a stored context, hash and all, as a person with a console would. */
  edit(ref: ContextRef, changes: Partial<StoredFields>): void {
    this.contexts.set(refText(ref), {
      ...blank(ref),
      ...this.raw(ref),
      ...changes,
      kind: ref.kind,
      key: ref.key,
    });
  }

  /** Puts a context there, well-formed or not, over whatever was there. */
  insert(fields: RawContext): void {
    this.contexts.set(`${fields.kind}/${fields.key}`, { ...fields });
  }

  /** Removes a context without a tombstone. */
  delete(ref: ContextRef): boolean {
    return this.contexts.delete(refText(ref));
  }

  /** Deletes the table with all it holds. The next `initialise` makes it anew. */
  drop(): void {
    this.exists = false;
    this.identity = undefined;
    this.feedHead = undefined;
    for (const part of [this.contexts, this.feed, this.gateways, this.keyUses]) part.clear();
  }
}

function blank(ref: ContextRef): RawContext {
  return { ...ref, version: undefined, hash: undefined, bodyText: null, builtAtMs: 0 };
}
