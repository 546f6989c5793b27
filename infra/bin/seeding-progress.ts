import { systemClock } from '../../contexts/base/clock.ts';
import { type HubClient, HubRequestError, hubExitCodes } from './hub-client.ts';

export interface SeedingView {
  id: string;
  phase: 'waiting' | 'filling' | 'checking' | 'finished';
  contexts: { total: number | null; filled: number; checked: number };
  sweeps: number;
  error: string | null;
  requestedAt: string;
  finishedAt: string | null;
  readyAfterMs: number | null;
}

const pollMs = 500;
/** Longer than a restart of the hub; after that, the person had better look. */
const patienceMs = 60_000;
const barCells = 30;

/**
 * Shows how far the seeding is, on stderr, until it is finished; one line a second where that is no terminal. A hub
 * that does not answer for a moment is waited for. Ctrl-C ends the command, not the seeding.
 */
export async function followSeeding(
  hub: HubClient,
  region: string,
  seeding: SeedingView | undefined,
  again: string,
): Promise<SeedingView | undefined> {
  if (!seeding) return undefined;
  const onInterrupt = () => {
    console.error(`\n${region} goes on being seeded. To follow it again: ${again}`);
    process.exit(130);
  };
  process.once('SIGINT', onInterrupt);
  const line = new ProgressLine();
  let answeredAt = systemClock.monotonic();
  let view = seeding;
  try {
    while (view.finishedAt === null) {
      line.show(describe(region, view));
      await systemClock.sleep(pollMs);
      try {
        view = await hub.get<SeedingView>(`/v1/seedings/${seeding.id}`);
        answeredAt = systemClock.monotonic();
      } catch (error) {
        if (!isPassing(error) || systemClock.monotonic() - answeredAt > patienceMs) throw error;
      }
    }
    line.show(describe(region, view));
    return view;
  } finally {
    line.end();
    process.removeListener('SIGINT', onInterrupt);
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof HubRequestError && error.exitCode === hubExitCodes.unreachable;
}

/** Exported for its test. */
export function describe(region: string, { phase, contexts, sweeps, error }: SeedingView): string {
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

function bar(done: number, total: number | null): string {
  if (total === null) return 'counting ...';
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * barCells);
  return `[${'#'.repeat(full)}${'.'.repeat(barCells - full)}] ${Math.floor(share * 100)} % ${done}/${total}`;
}

/** One line that is written over at a terminal; elsewhere, lines that differ, one a second at the most. */
class ProgressLine {
  #last = '';
  #shownAt = Number.NEGATIVE_INFINITY;

  show(text: string): void {
    if (text === this.#last) return;
    const now = systemClock.monotonic();
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
    else if (now - this.#shownAt >= 1_000) process.stderr.write(`${text}\n`);
    else return;
    this.#last = text;
    this.#shownAt = now;
  }

  end(): void {
    if (process.stderr.isTTY && this.#last !== '') process.stderr.write('\n');
  }
}
