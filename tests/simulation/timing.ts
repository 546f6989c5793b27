/**
 * The times of the simulation, in milliseconds: production's, scaled down so that a few virtual seconds reach every
 * one of them. What outlives what stays as it is: a tombstone outlives the oldest snapshot that may still be put
 * (`snapshotAgeMaxMs`), and whoever was frozen for `frozenMaxMs` counts as dead.
 */
export const timing = {
  pollMs: 100,
  leaseMs: 1_000,
  settleMs: 50,
  snapshotAgeMaxMs: 1_000,
  frozenMaxMs: 3_000,
  tombstoneRetentionMs: 6_000,
  feedRetentionMs: 3_000,
  snapshotEveryMs: 700,
  /** Older, and what it holds is asked of the store first. */
  snapshotFreshMs: 1_500,
  /** Below the tombstones' retention. */
  bootAgeMaxMs: 4_500,
  bootWaitMs: 250,
  /** Law 6. */
  freshMs: 1_000,
} as const;
