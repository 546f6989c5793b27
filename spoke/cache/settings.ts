import { assert } from '../../contexts/base/assert.ts';
import { limits } from '../../contexts/limits.ts';

/** Bounds and windows of the loading cache. All of them are positive; see {@link checkCacheSettings}. */
export interface CacheSettings {
  /** Present entries held at the most, and the bytes they may have together (as their preparer counts them). */
  entriesMax: number;
  bytesMax: number;
  /** Absences and tombstones held at the most. They have room of their own: unknown keys evict no known one. */
  negativesMax: number;

  /**
   * A look-up of a present entry starts a refresh behind its back from an age on that is drawn for each entry
   * between these two: what was filled at one time, as at a boot, is not refreshed at one time. The feed keeps
   * entries current; this is the backstop for an announcement that was lost without a trace.
   */
  freshMs: number;
  refreshMs: number;
  /** The age from which a present entry is told as `stale`: its refreshes have been failing. It is served on. */
  staleMs: number;
  /** The age at which a look-up of an absence or tombstone starts a refresh behind its back. */
  absentMs: number;
  /** The wait before the next try of a refresh that failed or found no room. Jittered. */
  retryMs: number;

  /**
   * Keys a second that may be read although nobody here has heard of them, and how many may come at once. As many
   * again of keys that are known of and turn out to be absent.
   */
  unknownPerSecond: number;
  unknownBurst: number;

  /** How long a look-up waits for its read, queueing included. */
  waitMs: number;
  /** Look-ups that may wait at one time. */
  waitersMax: number;
  /** After this a read of the store counts as failed. */
  readTimeoutMs: number;
  /** How long a cold look-up may wait for company in its batch. 0 batches what comes in the same instant. */
  lingerMs: number;

  /** Reads of a key that returned less than was announced, before the walk over suspects takes over. */
  attemptsMax: number;
  /** The wait before such a read is repeated: from the first value, doubling, to the second. */
  rereadFirstMs: number;
  rereadMaxMs: number;

  /** For each lane: batches in flight, and keys queued or being read, at the most. */
  lanes: Record<LaneName, { batchesMax: number; flightsMax: number }>;
  /** The pause between two batches of the walk over suspect entries. */
  walkEveryMs: number;
}

/**
 * Why a key is read. Each lane has its own bounds, so that none waits for another: a flood of unknown keys delays
 * neither a revocation nor the refresh of known ones.
 *
 * - `announced`: the feed said that what is held is old.
 * - `cold`: somebody asks, nothing is held, and there is such a context: another names it, or a census found it.
 * - `unknown`: somebody asks for what nobody here has heard of: all of a flood is here, and nothing else waits for it.
 * - `background`: overdue or suspect.
 */
export const laneNames = ['announced', 'cold', 'unknown', 'background'] as const;
export type LaneName = (typeof laneNames)[number];

/** Keys a batch names at the most: one below the store's, which reads the identity item along. */
export const batchKeysMax = limits.batchMax - 1;

export const defaultCacheSettings: CacheSettings = {
  entriesMax: 200_000,
  bytesMax: 256 * 1024 * 1024,
  negativesMax: 100_000,
  freshMs: 180_000,
  refreshMs: 240_000,
  staleMs: 600_000,
  absentMs: 60_000,
  retryMs: 1_000,
  unknownPerSecond: 500,
  unknownBurst: 2_000,
  waitMs: 2_000,
  waitersMax: 10_000,
  readTimeoutMs: 1_500,
  lingerMs: 1,
  attemptsMax: 8,
  rereadFirstMs: 10,
  rereadMaxMs: 1_000,
  lanes: {
    announced: { batchesMax: 4, flightsMax: 20_000 },
    cold: { batchesMax: 4, flightsMax: 5_000 },
    unknown: { batchesMax: 2, flightsMax: 5_000 },
    background: { batchesMax: 1, flightsMax: 2_000 },
  },
  walkEveryMs: 25,
};

/** @throws AssertionError naming what does not fit. */
export function checkCacheSettings(settings: CacheSettings): void {
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number') {
      const least = name === 'lingerMs' ? 0 : 1;
      assert(Number.isFinite(value) && value >= least, `${name} is ${value}; it must be at least ${least}`);
    }
  }
  for (const lane of laneNames) {
    const { batchesMax, flightsMax } = settings.lanes[lane];
    assert(batchesMax >= 1 && flightsMax >= 1, `lane ${lane} must have room for a batch and a flight`);
  }
  const { freshMs, refreshMs, staleMs, retryMs, absentMs } = settings;
  assert(
    freshMs <= refreshMs && refreshMs <= staleMs,
    `freshMs (${freshMs}), refreshMs (${refreshMs}) and staleMs (${staleMs}) must ascend`,
  );
  assert(
    retryMs <= freshMs && retryMs <= absentMs,
    `retryMs (${retryMs}) must not be above freshMs or absentMs`,
  );
}
