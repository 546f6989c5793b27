import type { Clock } from '../../contexts/base/clock.ts';
import type { RoleEvent } from './supervisor.ts';

/** What the person at the terminal reads while the wheel starts and runs. */
export interface Progress {
  /** Prints a line. */
  say(line: string): void;
  /** Runs `work`; what takes longer than two seconds says so, again and again, and how long it took. */
  during<T>(what: string, work: () => Promise<T>): Promise<T>;
  onRoleEvent(event: RoleEvent): void;
}

const patienceMs = 2_000;

export function terminalProgress(clock: Clock, say: (line: string) => void): Progress {
  return {
    say,
    async during(what, work) {
      const startedAtMs = clock.monotonic();
      const done = new AbortController();
      const remind = async () => {
        await clock.sleep(patienceMs, done.signal);
        while (!done.signal.aborted) {
          say(`  ${what} ... ${seconds(clock.monotonic() - startedAtMs)} so far`);
          await clock.sleep(patienceMs * 2, done.signal);
        }
      };
      const reminding = remind();
      try {
        return await work();
      } finally {
        done.abort();
        await reminding;
        const tookMs = clock.monotonic() - startedAtMs;
        if (tookMs > patienceMs) say(`  ${what} took ${seconds(tookMs)}`);
      }
    },
    onRoleEvent: (event) => say(describeEvent(event)),
  };
}

function describeEvent(event: RoleEvent): string {
  switch (event.event) {
    case 'ready': {
      const again = event.restarts > 0 ? ' again' : '';
      return `  ${event.role} is ready${again} (process ${event.pid}, ${seconds(event.tookMs)})`;
    }
    case 'killed':
      return `  ${event.role} did not end within ${seconds(event.afterMs)} and was killed`;
    case 'died': {
      const next =
        event.restartInMs === null ? 'it stays dead' : `starting it again in ${seconds(event.restartInMs)}`;
      const words = event.lines.map((line) => `\n    ${line}`).join('');
      return `! ${event.role} (process ${event.pid}) ${event.how}; ${next}. The end of ${event.log}:${words}`;
    }
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
