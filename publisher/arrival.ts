import type { Clock } from '../contexts/base/clock.ts';
import type { ContextRef } from '../contexts/kinds/index.ts';
import type { PlacedCluster } from './relay.ts';

export interface ArrivalOptions {
  clock: Clock;
  /** Milliseconds after which it is waited for no longer: a region that is slow must not keep another's contexts. */
  timeoutMs: number;
  pollMs: number;
  /** The last key of each cluster to be bumped. */
  lastKeys(clusterIds: readonly string[]): Promise<readonly string[]>;
  /** Whether a region has contexts as the hub derives them; `unknown` where it cannot be asked. */
  holds(region: string, refs: readonly ContextRef[]): Promise<'held' | 'lacking' | 'unknown'>;
}

/**
 * Waits until clusters that move have arrived in all their regions, so that they are taken from the ones they left
 * only then: made before broken. It looks for each cluster and the last of its keys, and waits for no region that is
 * not open. What it does not see in time is no fault: breaking goes ahead.
 */
export async function awaitArrival(moved: readonly PlacedCluster[], options: ArrivalOptions): Promise<void> {
  const { clock, timeoutMs, pollMs, lastKeys, holds } = options;
  const until = clock.monotonic() + timeoutMs;
  const keys = await lastKeys(moved.map(({ clusterId }) => clusterId));
  const refs: ContextRef[] = [
    ...moved.map(({ clusterId }) => ({ kind: 'cluster' as const, key: clusterId })),
    ...keys.map((key) => ({ kind: 'agent-key' as const, key })),
  ];
  const waitFor = async (region: string) => {
    while ((await holds(region, refs)) === 'lacking' && clock.monotonic() < until) await clock.sleep(pollMs);
  };
  const regions = new Set(moved.flatMap((placed) => placed.regions));
  await Promise.all([...regions].map(waitFor));
}
