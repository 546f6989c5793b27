import { type ContextRef, isKindName, type KindName } from '../contexts/kinds/index.ts';
import type { SweepCause } from '../hub/db/sweeps.ts';

/** Names every job carries; never a body, so that a job says the same whenever it runs. */
export interface RefreshJob {
  refs: [kind: KindName, key: string][];
  tightens: boolean;
  /** When the oldest of the changes was committed, milliseconds since the Unix epoch, by the database's clock. */
  changedAtMs: number;
  /** What its work is written down under, for the fences that wait for it; absent where none does. */
  receipt?: string;
}

export interface SweepJob {
  /** The row in `sweeps` that asked for it; absent where the scheduler did. */
  sweepId?: string;
  /** The row in `seedings` to work on: filling and sweeping exclude each other, so they share a queue. */
  seedingId?: string;
  cause: SweepCause;
}

/** Queues end in environment and region, as tables do, so that two environments never share one by accident. */
export const queueNames = {
  refresh: (environment: string, region: string) => `refresh-${environment}-${region}`,
  sweep: (environment: string, region: string) => `sweep-${environment}-${region}`,
};

/**
 * Revocations overtake bulk work: jobs without a priority are taken before all that have one.
 * Retries double from 200 ms; what still fails after ten (about three minutes) is left to the sweep.
 */
export function refreshJobOptions(tightens: boolean) {
  return {
    attempts: 10,
    backoff: { type: 'exponential', delay: 200, jitter: 0.5 },
    ...(tightens ? {} : { priority: 10 }),
  };
}

export function toRefs(job: RefreshJob): ContextRef[] {
  return job.refs.map(([kind, key]) => ({ kind, key }));
}

/**
 * What a job names, of the kinds that this build knows.
 * @throws after `publish` is done with those where there are others: a newer publisher's relay made the job, and one
 * of its build must do the rest, which trying again leads to.
 */
export async function eachKnown(
  job: RefreshJob,
  publish: (refs: readonly ContextRef[]) => Promise<unknown>,
): Promise<void> {
  const refs = toRefs(job);
  const known = refs.filter((ref) => isKindName(ref.kind));
  if (known.length > 0) await publish(known);
  if (known.length < refs.length) {
    const kinds = [...new Set(refs.filter((ref) => !isKindName(ref.kind)).map((ref) => ref.kind))];
    throw new Error(`this build does not know the kind ${kinds.join(', ')}; a newer publisher must do it`);
  }
}
