import type { Content } from '../../contexts/envelope.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Identity, StoredItem } from '../../contexts/store.ts';
import type { Entry } from './entries.ts';

/** A context made ready for the hot path, once, when it is read. */
export type PrepareOutcome<Value = unknown> =
  | { outcome: 'live'; value: Value; bytes: number }
  | { outcome: 'tombstone' }
  | { outcome: 'undecodable'; reason: string };

/** What a read of one key means, given what was known before. */
export type Verdict =
  | {
      verdict: 'live';
      /** Of the item, which is the text that its value has in it. */
      key: string;
      version: VersionText;
      value: unknown;
      bytes: number;
      bodyText: string | null;
    }
  | { verdict: 'gone'; why: 'unknown' | 'tombstone'; version: VersionText | undefined }
  /** It is older than what was announced or is held, so it is not stored (law 2). */
  | { verdict: 'behind' }
  /** It is absent, but from a table whose absences are no evidence. */
  | { verdict: 'not-whole' }
  | { verdict: 'undecodable'; reason: string };

export interface Evidence {
  /** What the store returned for the key; undefined where it has nothing. */
  item: StoredItem | undefined;
  /** Of the table, as read together with the item. */
  identity: Identity | undefined;
  /** The incarnation whose absences count. */
  pinned: string | undefined;
  held: Entry | undefined;
  /** The highest announcement heard since the read, or its entry's supersession, began. */
  floor: VersionText | undefined;
  floorIs: 'live' | 'tombstone';
}

/** Judges one read. Pure: what is to be done about it is the cache's business. */
export function judge(evidence: Evidence, prepare: (content: Content) => PrepareOutcome): Verdict {
  const { item, held, floor, floorIs } = evidence;
  const bound = newest(held?.version, floor);
  // The version of the tombstone that is in place, or was until it was evicted. Only something newer gets past it.
  const buried =
    held?.negative && held.why === 'tombstone' ? held.version : floorIs === 'tombstone' ? floor : undefined;

  if (item === undefined) {
    const { identity, pinned } = evidence;
    const whole = identity?.whole === true && identity.incarnation === pinned;
    if (!whole) return { verdict: 'not-whole' };
    if (floor !== undefined && floorIs === 'live') return { verdict: 'behind' };
    // A tombstone past its retention has left the store: it is remembered here, with its version.
    return { verdict: 'gone', why: buried === undefined ? 'unknown' : 'tombstone', version: bound };
  }
  if (item.state === 'corrupt') return { verdict: 'undecodable', reason: item.reason };
  const { version } = item.envelope;
  if (bound !== undefined && version < bound) {
    return bound === buried ? { verdict: 'gone', why: 'tombstone', version: bound } : { verdict: 'behind' };
  }
  const prepared = prepare(item.envelope);
  switch (prepared.outcome) {
    case 'tombstone':
      return { verdict: 'gone', why: 'tombstone', version };
    case 'undecodable':
      return { verdict: 'undecodable', reason: prepared.reason };
    case 'live':
      if (version === buried) return { verdict: 'behind' };
      return {
        verdict: 'live',
        key: item.envelope.key,
        version,
        value: prepared.value,
        bytes: prepared.bytes,
        bodyText: item.envelope.bodyText,
      };
  }
}

/** The higher of two versions, either of which may be unknown. */
export function newest(a: VersionText | undefined, b: VersionText | undefined): VersionText | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a > b ? a : b;
}
