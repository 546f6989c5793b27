import type { ChildProcess } from 'node:child_process';
import { Watchdog } from '../../infra/local/watchdog.ts';

let watchdog: Watchdog | undefined;

/**
 * A process that ends when the test's own is ended, however that is: by Ctrl-C, which reaches nobody else where vitest
 * alone is signalled, or outright. To be started with `detached`, so that what it starts itself ends with it.
 */
export function guarded<Child extends ChildProcess>(child: Child): Child {
  const { pid } = child;
  if (pid === undefined) return child; // it could not be started, and says so
  process.kill(-pid, 0); // throws where it leads no group
  watchdog ??= new Watchdog();
  watchdog.tell({ order: 'guard', pid, signal: 'SIGTERM' });
  child.once('exit', () => watchdog!.tell({ order: 'forget', pid }));
  return child;
}
