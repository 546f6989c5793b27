import type { ContextRef } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Entry } from './entries.ts';

/** What is held of one context, in a form that can be written down and held again by a later process. */
export interface Holding extends ContextRef {
  version: VersionText;
  /** As the store had it; null in a tombstone. */
  bodyText: string | null;
  /** The version that is known to be newer, where it was announced and has not been read. */
  floor: VersionText | undefined;
  /** Announcements may have been missed since it was read. */
  suspect: boolean;
}

/** What a fill changed: a newer state is held now, or it was seen that nothing is there any more. */
export type Change =
  | { is: 'held'; holding: Holding; replaces: 'nothing' | 'something' }
  /** `version` is the newest that was known of it. An absence is not held by another process: it is no evidence there. */
  | (ContextRef & { is: 'absent'; version: VersionText | undefined; replaces: 'nothing' | 'something' });

/**
 * How much a restored entry is worth, until it is read again:
 *
 * - `recent`: served at once, like any suspect entry, and read again behind the caller's back;
 * - `aged`: served only while the store cannot be asked. Who asks for it waits for the read.
 */
export type Restored = 'recent' | 'aged';

/** The entry as it can be written down; undefined where it is worth nothing to another process. */
export function holdingOf(entry: Entry): Holding | undefined {
  const { kind, key, floor, suspect } = entry;
  const doubtful = suspect || entry.restored === 'aged';
  if (!entry.negative) {
    const { version, bodyText } = entry;
    return bodyText === undefined ? undefined : { kind, key, version, bodyText, floor, suspect: doubtful };
  }
  if (entry.why !== 'tombstone' || entry.version === undefined) return undefined;
  return { kind, key, version: entry.version, bodyText: null, floor, suspect: doubtful };
}
