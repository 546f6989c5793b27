import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { systemClock } from '../../contexts/base/clock.ts';
import type { WatchdogOrder } from './watchdog.ts';

/**
 * The process that outlives a supervisor which was killed without a chance to clean up (see watchdog.ts).
 *
 * Orders come on standard input, one JSON object a line. Its end without a `stand-down` means that the supervisor
 * is gone: every process group still guarded is asked to end, then made to, and left-over files are removed.
 */
const patienceMs = 5_000;
const guarded = new Map<number, NodeJS.Signals>();
const leftovers = new Set<string>();

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as WatchdogOrder;
  if (order.order === 'guard') guarded.set(order.pid, order.signal);
  if (order.order === 'forget') guarded.delete(order.pid);
  if (order.order === 'remove-afterwards') leftovers.add(order.path);
  if (order.order === 'stand-down') process.exit(0);
}

for (const [pid, signal] of guarded) signalGroup(pid, signal);
const start = systemClock.monotonic();
while (anyoneLeft() && systemClock.monotonic() - start < patienceMs) await systemClock.sleep(50);
for (const pid of guarded.keys()) signalGroup(pid, 'SIGKILL');
for (const path of leftovers) await rm(path, { recursive: true, force: true, maxRetries: 10 });

function anyoneLeft(): boolean {
  return [...guarded.keys()].some((pid) => signalGroup(pid, 0));
}

/** Every role leads a process group of its own. False when nobody of the group is left. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
