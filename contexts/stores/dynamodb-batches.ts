import type { Clock } from '../base/clock.ts';
import { backoffMs } from '../base/loop.ts';
import { jittered, type Random } from '../base/random.ts';
import { StoreError } from '../store.ts';

const attemptsMax = 8;
const firstWaitMs = 20;
const waitMsMax = 500;

/**
 * Runs a batch call until nothing of it is left unprocessed, waiting longer each time: DynamoDB leaves out of a
 * batch what it has no capacity for, and calls that a success.
 * `call` is given what is left and returns what it left out.
 * @throws StoreError `STORE_THROTTLED` when something is left after some two seconds.
 */
export async function untilProcessed<Part>(
  parts: readonly Part[],
  call: (left: readonly Part[]) => Promise<readonly Part[]>,
  { clock, random }: { clock: Clock; random: Random },
): Promise<void> {
  let left = parts;
  for (let attempt = 1; left.length > 0; attempt++) {
    left = await call(left);
    if (left.length === 0) return;
    if (attempt === attemptsMax) {
      throw new StoreError(
        'STORE_THROTTLED',
        `${left.length} of a batch were left unprocessed ${attempt} times`,
      );
    }
    await clock.sleep(jittered(random, backoffMs(attempt, firstWaitMs, waitMsMax), 0.5));
  }
}

/** `items` in slices of nearly the same length, none longer than `most`; one empty slice where there are none. */
export function slices<T>(items: readonly T[], most: number): T[][] {
  const count = Math.max(1, Math.ceil(items.length / most));
  const length = Math.max(1, Math.ceil(items.length / count));
  return Array.from({ length: count }, (_, index) => items.slice(index * length, (index + 1) * length));
}
