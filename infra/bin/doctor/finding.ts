/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: `hub`, `clock of the hub`, `store of eu-west-1`. */
  what: string;
  /** `doubt`: it works, and somebody should know. `skipped`: it could not be looked at, and why. */
  outcome: 'fine' | 'doubt' | 'fault' | 'skipped';
  detail: string;
  /** What to do about it. */
  fix?: string;
}

export const fine = (what: string, detail: string): Finding => ({ what, outcome: 'fine', detail });
export const skipped = (what: string, detail: string): Finding => ({ what, outcome: 'skipped', detail });
export const doubt = (what: string, detail: string, fix: string): Finding => ({
  ...{ what, outcome: 'doubt', detail, fix },
});
export const fault = (what: string, detail: string, fix: string): Finding => ({
  ...{ what, outcome: 'fault', detail, fix },
});

/** An error as one line. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(wordsOf).join('; ');
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split('\n')[0]!;
}

/** What two clocks may be apart before expiries and ages mislead. */
const apartMs = { doubt: 2_000, fault: 60_000 };

/**
 * How a clock stands to this machine's. `aheadMs` is known to `withinMs` only: what an answer took, and that some
 * clocks are told to the second.
 */
export function clockFinding(what: string, aheadMs: number, withinMs: number): Finding {
  const surelyMs = Math.max(0, Math.abs(aheadMs) - withinMs);
  const words = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  const fix = 'Keep every machine on NTP: expiries of keys and the ages in metrics go by these clocks';
  if (surelyMs > apartMs.fault) return fault(what, words, fix);
  if (surelyMs > apartMs.doubt) return doubt(what, words, fix);
  return fine(what, surelyMs === 0 ? "agrees with this machine's" : words);
}
