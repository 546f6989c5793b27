import { systemClock } from '../../contexts/base/clock.ts';
import { HubRequestError, hubExitCodes } from './hub-client.ts';
import { onInterrupt, ProgressLine } from './progress-line.ts';

const pollMs = 500;
/** Longer than a restart of the hub; after that, the person had better look. */
const patienceMs = 60_000;

export interface Followed<View> {
  view: View;
  read(): Promise<View>;
  isOver(view: View): boolean;
  describe(view: View): string;
  /** What Ctrl-C says: what goes on without the command, and how to follow it again. */
  goesOn: string;
}

/**
 * Shows how far something is that the hub does, on stderr, until it is over; one line a second where that is no
 * terminal. A hub that does not answer for a moment is waited for.
 */
export async function follow<View>({ view, read, isOver, describe, goesOn }: Followed<View>): Promise<View> {
  using _ = onInterrupt(goesOn);
  const line = new ProgressLine();
  let answeredAt = systemClock.monotonic();
  let latest = view;
  try {
    while (!isOver(latest)) {
      line.show(describe(latest));
      await systemClock.sleep(pollMs);
      try {
        latest = await read();
        answeredAt = systemClock.monotonic();
      } catch (error) {
        if (!isPassing(error) || systemClock.monotonic() - answeredAt > patienceMs) throw error;
      }
    }
    line.show(describe(latest));
    return latest;
  } finally {
    line.end();
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof HubRequestError && error.exitCode === hubExitCodes.unreachable;
}
