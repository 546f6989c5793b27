import type { VersionText } from '../../contexts/revision.ts';

/**
 * What came of a look-up. One closed union for metrics, logs and tests.
 *
 * - `hit`: held and fresh. `stale`: held, but overdue, suspect or superseded; served until something newer is read.
 * - `snapshot`: held since the last process's snapshot, and not read again yet.
 * - `negative-hit`: held as absent or as a tombstone.
 * - `filled`, `filled-absent`: this look-up began a read of the store, and what it found.
 * - `coalesced`: this look-up joined a read that was under way, and that read gave an answer.
 *
 * And those that give no answer; the caller says 503, never 401:
 *
 * - `overloaded`: not asked, because a bound was reached (the budget of unknown keys, a full queue).
 * - `unavailable`: the store could not be asked, or did not answer in time.
 * - `not-whole`: the store has no such item, but its table is no evidence of absence.
 * - `behind`: the store returned less than was announced, again and again.
 * - `undecodable`: the store has an item that this build cannot read, and no good one is held.
 */
export const lookupOutcomes = [
  'hit',
  'stale',
  'snapshot',
  'negative-hit',
  'filled',
  'filled-absent',
  'coalesced',
  'overloaded',
  'unavailable',
  'not-whole',
  'behind',
  'undecodable',
] as const;
export type LookupOutcome = (typeof lookupOutcomes)[number];
export type FailedOutcome = 'overloaded' | 'unavailable' | 'not-whole' | 'behind' | 'undecodable';

export type Lookup<Value> = PresentLookup<Value> | AbsentLookup | FailedLookup;

/** At once where it is held, else when the store has said. */
export type Answer<Value> = Lookup<Value> | Promise<Lookup<Value>>;

export interface PresentLookup<Value> {
  readonly state: 'present';
  readonly outcome: 'hit' | 'stale' | 'snapshot' | 'filled' | 'coalesced';
  readonly value: Value;
  readonly version: VersionText;
}

export interface AbsentLookup {
  readonly state: 'absent';
  readonly outcome: 'negative-hit' | 'filled-absent' | 'coalesced';
  /** A tombstone says the context existed and is gone; `unknown` that the table has never heard of it. */
  readonly why: 'unknown' | 'tombstone';
}

export interface FailedLookup {
  readonly state: 'failed';
  readonly outcome: FailedOutcome;
}

/** What one read of one key came to, also those in the background that nobody waits for. */
export const fillOutcomes = [
  'stored',
  'absent',
  'tombstone',
  'behind',
  'not-whole',
  'undecodable',
  'unavailable',
] as const;
export type FillOutcome = (typeof fillOutcomes)[number];

/** What an announcement did. */
export const announceOutcomes = [
  /** Nobody here holds the key or reads it. */
  'ignored',
  /** What is held is that version or newer. */
  'known',
  /** The tombstone is in place. */
  'tombstoned',
  /** What is held or being read is now known to be old; it is being read again. */
  'superseded',
] as const;
export type AnnounceOutcome = (typeof announceOutcomes)[number];

// Look-ups without a value are all alike: these are shared, so that refusing costs no memory.
export const absentHit = {
  unknown: { state: 'absent', outcome: 'negative-hit', why: 'unknown' },
  tombstone: { state: 'absent', outcome: 'negative-hit', why: 'tombstone' },
} as const satisfies Record<string, AbsentLookup>;

export const absentFilled = {
  unknown: { state: 'absent', outcome: 'filled-absent', why: 'unknown' },
  tombstone: { state: 'absent', outcome: 'filled-absent', why: 'tombstone' },
} as const satisfies Record<string, AbsentLookup>;

const absentCoalesced = {
  unknown: { state: 'absent', outcome: 'coalesced', why: 'unknown' },
  tombstone: { state: 'absent', outcome: 'coalesced', why: 'tombstone' },
} as const satisfies Record<string, AbsentLookup>;

export const failed: { readonly [Outcome in FailedOutcome]: FailedLookup } = {
  overloaded: { state: 'failed', outcome: 'overloaded' },
  unavailable: { state: 'failed', outcome: 'unavailable' },
  'not-whole': { state: 'failed', outcome: 'not-whole' },
  behind: { state: 'failed', outcome: 'behind' },
  undecodable: { state: 'failed', outcome: 'undecodable' },
};

/** The same answer as told to one who joined the read. A failure keeps its name: why is what counts then. */
export function asCoalesced<Value>(lookup: Lookup<Value>): Lookup<Value> {
  switch (lookup.state) {
    case 'present':
      return { ...lookup, outcome: 'coalesced' };
    case 'absent':
      return absentCoalesced[lookup.why];
    case 'failed':
      return lookup;
  }
}
