import { mayAllow } from '../../contexts/denial.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { decodeVersion, type VersionText } from '../../contexts/revision.ts';
import type { StoredItem } from '../../contexts/store.ts';
import type { Build, Draft } from '../../hub/db/builders/index.ts';

/**
 * What is wrong with a context in a region, in the glossary's words.
 *
 * - `missing`: the region is to hold it and has nothing there.
 * - `stale`: the region has an older state of it, or a tombstone where it is to be live.
 * - `corrupt`: what is there does not decode, or is another content under the same version.
 * - `orphan`: the region has it live, and is to hold nothing there; or it has something, readable or not, that the
 *   hub has never heard of.
 * - `ahead`: the region has a later state than the hub has drawn a revision for.
 */
export type Drift = 'missing' | 'stale' | 'corrupt' | 'orphan' | 'ahead';

export type Comparison =
  | { same: true }
  | {
      same: false;
      drift: Drift;
      /**
       * What is there would refuse the context under its present revision (or gateways may have read it): the repair
       * must draw a fresh one first.
       */
      needsFreshRevision: boolean;
    };

const same = { same: true } as const;
const differs = (drift: Drift, needsFreshRevision: boolean): Comparison => ({
  same: false,
  drift,
  needsFreshRevision,
});

/**
 * Whether the store has exactly what the hub drafts: nearly always, and then the draft need not be built. Its hash was
 * checked on reading, over that version and that text, and who put it there had validated it under that version's
 * schema.
 */
export function isAsDrafted(draft: Draft, stored: StoredItem | undefined): boolean {
  if (stored?.state !== 'context') return false;
  return stored.envelope.bodyText === draft.bodyText && stored.envelope.version === draft.version;
}

/**
 * Compares what the hub says of a context with what the store has.
 * @param build undefined where the hub's range had no such key.
 * @param stored undefined where the store has nothing under the key.
 */
export function compare(build: Build | undefined, stored: StoredItem | undefined): Comparison {
  const unheardOf = build === undefined || build.state === 'unknown';
  if (stored?.state === 'corrupt') return differs(unheardOf ? 'orphan' : 'corrupt', true);
  const held = stored?.envelope;
  switch (build?.state) {
    case 'live': {
      if (held === undefined) return differs('missing', false);
      const wanted = build.envelope;
      if (held.version < wanted.version) return differs('stale', false);
      if (held.version > wanted.version) return heldBack(held, wanted.version);
      if (held.bodyText === wanted.bodyText) return same; // and so the hash, which was checked on reading
      return differs(held.bodyText === null ? 'stale' : 'corrupt', true);
    }
    case 'gone': {
      if (held === undefined || held.bodyText === null) return same;
      if (held.version < build.envelope.version) return differs('stale', false);
      return differs(sameRevision(held.version, build.envelope.version) ? 'orphan' : 'ahead', true);
    }
    case 'invalid':
      return same; // quarantined: the last good state stays, whatever it is
    default:
      return held === undefined || held.bodyText === null ? same : differs('orphan', true);
  }
}

/** A live context where something higher is held. */
function heldBack(held: Envelope, wanted: VersionText): Comparison {
  if (!sameRevision(held.version, wanted)) return differs('ahead', true);
  // A later schema version of the very revision: a newer publisher wrote it, and it is left in place if it is live.
  return held.bodyText === null ? differs('stale', true) : same;
}

function sameRevision(a: string, b: string): boolean {
  const [x, y] = [decodeVersion(a), decodeVersion(b)];
  return x?.epoch === y?.epoch && x?.revision === y?.revision;
}

/**
 * Whether repairing what is `ahead` would let somebody through whom the region turns away: the region holds a tombstone
 * or a denial of a version that the hub never gave that context, and the hub says otherwise. Either somebody edited the
 * store, or the hub lost the revocation: a person has to look, and until then it stays.
 */
export function wouldLoosen(build: Build, stored: StoredItem | undefined, nowMs: number): boolean {
  if (build.state !== 'live' || stored === undefined) return false;
  const wanted = { state: 'context', key: build.ref.key, envelope: build.envelope } as const;
  return !mayAllow(stored, nowMs) && mayAllow(wanted, nowMs);
}
