import type { Seeding } from '../client/hub-api.ts';
import { follow } from './follow.ts';
import type { HubClient } from './hub-client.ts';
import { bar } from './progress-line.ts';

/** Shows how far the seeding is until it is finished. Ctrl-C ends the command, not the seeding. */
export async function followSeeding(
  hub: HubClient,
  region: string,
  seeding: Seeding | undefined,
  again: string,
): Promise<Seeding | undefined> {
  if (!seeding) return undefined;
  return follow({
    view: seeding,
    read: () => hub.call('getSeeding', { path: { id: seeding.id } }),
    isOver: ({ finishedAt }) => finishedAt !== null,
    describe: (view) => describe(region, view),
    goesOn: `${region} goes on being seeded. To follow it again: ${again}`,
  });
}

type Progress = Pick<Seeding, 'phase' | 'contexts' | 'sweeps' | 'error'>;

/** Exported for its test. */
export function describe(region: string, { phase, contexts, sweeps, error }: Progress): string {
  const { total, filled, checked } = contexts;
  const trouble = error ? ` ! ${error}` : '';
  switch (phase) {
    case 'waiting':
      return `${region} waits for a publisher${trouble}`;
    case 'filling':
      return `${region} filling  ${bar(filled, total)}${trouble}`;
    case 'checking':
      return `${region} checking ${bar(checked, total)} sweep ${sweeps}${trouble}`;
    case 'finished':
      return `${region} verified ${bar(total ?? 0, total)}`;
  }
}
