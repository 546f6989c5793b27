import { chunked } from '../contexts/base/bounded.ts';
import { refText } from '../contexts/kinds/index.ts';
import { limits } from '../contexts/limits.ts';
import type { Change } from '../hub/db/outbox.ts';
import type { RefreshJob } from './jobs.ts';

/** A job before it has a receipt. */
export interface PlannedJob extends Omit<RefreshJob, 'receipt'> {
  /** The fences of the changes in it; absent where there are none. */
  fences?: readonly string[];
}

/** The fences of any of them, each once. */
export function fencesOf(changes: readonly Change[]): string[] {
  return [...new Set(changes.flatMap((change) => change.fences))];
}

/**
 * Jobs by region: what tightens access first and apart, each context once, `limits.batchMax` a job. A change goes to
 * the regions it names and to `holders`, those that came to hold it since; one that a cascade made goes just where it
 * says, for a placement added since has a cascade of its own.
 */
export function toJobs(
  changes: readonly Change[],
  holders: ReadonlyMap<string, readonly string[]>,
): Map<string, PlannedJob[]> {
  const byRegion = new Map<string, Map<string, Change>>();
  for (const change of changes) {
    const text = refText(change);
    const since = change.cause === 'dependent' ? [] : (holders.get(text) ?? []);
    for (const region of new Set([...change.regions, ...since])) {
      const ofRegion = byRegion.get(region) ?? new Map<string, Change>();
      byRegion.set(region, ofRegion);
      const earlier = ofRegion.get(text);
      const first = !earlier || (change.tightens && !earlier.tightens) ? change : earlier;
      ofRegion.set(text, earlier ? { ...first, fences: fencesOf([earlier, change]) } : first);
    }
  }
  const jobs = new Map<string, PlannedJob[]>();
  for (const [region, ofRegion] of byRegion) {
    const regionJobs: PlannedJob[] = [];
    for (const tightens of [true, false]) {
      const some = [...ofRegion.values()].filter((change) => change.tightens === tightens);
      for (const chunk of chunked(some, limits.batchMax)) {
        const fences = fencesOf(chunk);
        regionJobs.push({
          refs: chunk.map(({ kind, key }) => [kind, key]),
          tightens,
          changedAtMs: Math.min(...chunk.map((change) => change.createdAtMs)),
          ...(fences.length > 0 ? { fences } : {}),
        });
      }
    }
    jobs.set(region, regionJobs);
  }
  return jobs;
}
