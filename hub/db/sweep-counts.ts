/** What a sweep found and did. */
export interface SweepCounts {
  scanned: number;
  written: number;
  reannounced: number;
  missing: number;
  stale: number;
  corrupt: number;
  orphan: number;
  ahead: number;
  quarantined: number;
  expired: number;
  /** Of those ahead, what was left for a person: mending it might let in somebody who was revoked. */
  heldAhead: number;
  /** Differences left as they are because the budget of losses holds them. */
  held: number;
  /** Differences left as they are because the region is frozen. */
  frozen: number;
}
