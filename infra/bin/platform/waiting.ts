import type { Clock } from '../../../contexts/base/clock.ts';
import { type HubClient, HubRequestError, hubExitCodes } from '../hub-client.ts';
import { Patience } from './patience.ts';
import { inParallel } from './pool.ts';

const waitsAtOnce = 6;
/** One question waits no longer than this at the hub, so that progress can be told. */
const questionMs = 2_000;

/** Waits until every one of these changes is seen everywhere. Returns how many were not, within the time. */
export async function waitForAll(
  hub: HubClient,
  fences: readonly string[],
  timeoutMs: number,
  clock: Clock,
): Promise<number> {
  using patience = new Patience(clock);
  const endsAt = clock.monotonic() + timeoutMs;
  let seen = 0;
  let open = 0;
  await inParallel(fences, waitsAtOnce, async (fence) => {
    for (;;) {
      const leftMs = Math.max(0, Math.ceil(endsAt - clock.monotonic()));
      const complete = await isComplete(hub, fence, Math.min(leftMs, questionMs));
      patience.show(`waiting for every gateway: ${seen} of ${fences.length} changes are seen`);
      if (complete) seen += 1;
      else if (leftMs === 0) open += 1;
      else continue;
      return;
    }
  });
  return open;
}

/** A hub that does not answer for a moment is asked again; a fence older than a day is gone, and done with. */
async function isComplete(hub: HubClient, id: string, timeoutMs: number): Promise<boolean> {
  try {
    return (await hub.call('getFence', { path: { id }, query: { timeoutMs } })).complete;
  } catch (error) {
    if (error instanceof HubRequestError && error.exitCode === hubExitCodes.unreachable) return false;
    throw error;
  }
}
