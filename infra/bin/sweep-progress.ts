import type { Sweep } from '../client/hub-api.ts';
import { follow } from './follow.ts';
import type { HubClient } from './hub-client.ts';
import { bar } from './progress-line.ts';

/**
 * Shows how far these sweeps are, until all are over. What a region held when it was swept last is what the bar is
 * measured by; where it was not, there is a count and no bar.
 */
export async function followSweeps(hub: HubClient, ids: readonly string[]): Promise<Sweep[]> {
  const read = () => Promise.all(ids.map((id) => hub.call('getSweep', { path: { id } })));
  const first = await read();
  const totals = new Map<string, number>();
  for (const { region } of first) {
    const { items } = await hub.call('listSweeps', { query: { region, status: 'completed', limit: 1 } });
    if (items[0]?.counts) totals.set(region, items[0].counts.scanned);
  }
  return follow({
    view: first,
    read,
    isOver: (sweeps) => sweeps.every(isOver),
    describe: (sweeps) => sweeps.map((sweep) => describeSweep(sweep, totals.get(sweep.region))).join('  '),
    goesOn: `The sweeps go on. To follow them again: spokecast sweeps watch ${ids.join(' ')}`,
  });
}

function isOver({ status }: Sweep): boolean {
  return status === 'completed' || status === 'failed';
}

/** Exported for its test. */
export function describeSweep(
  { region, status, counts, error }: Pick<Sweep, 'region' | 'status' | 'counts' | 'error'>,
  total: number | undefined,
): string {
  switch (status) {
    case 'requested':
    case 'queued':
      return `${region} ${status}`;
    case 'running': {
      const scanned = counts?.scanned ?? 0;
      if (total === undefined) return `${region} ${scanned} contexts`;
      return `${region} ${bar(Math.min(scanned, total), Math.max(total, scanned))}`;
    }
    case 'completed':
      return `${region} done, ${counts?.scanned ?? 0} contexts, ${counts?.written ?? 0} written`;
    case 'failed':
      return `${region} failed${error === null ? '' : ` (${error})`}`;
  }
}
