import { type ChildProcess, fork } from 'node:child_process';
import type { Server } from 'node:net';
import type { Environment } from '../../contexts/base/options.ts';
import type { FromGroup, FromWorker } from './messages.ts';

/** What a group needs of a worker, which is a process of its own. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** What is sent to one that is gone is lost, and that is no error: its end is told by `onExit`. */
  send(message: FromGroup, handle?: Server): void;
  kill(): void;
}

export interface WorkerEvents {
  onMessage(message: FromWorker): void;
  /** Once, when it is gone. */
  onExit(how: { code: number | null; signal: string | null }): void;
}

/** Starts this very program once more. */
export function startWorker(environment: Environment, events: WorkerEvents): WorkerProcess {
  const child: ChildProcess = fork(process.argv[1]!, ['gateway'], {
    env: environment,
    execArgv: process.execArgv,
    serialization: 'advanced', // metrics may be no numbers, which JSON has no word for
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let isGone = false;
  const gone = (code: number | null, signal: string | null) => {
    if (isGone) return;
    isGone = true;
    events.onExit({ code, signal });
  };
  child.on('message', (message) => events.onMessage(message as FromWorker));
  child.on('exit', gone);
  child.on('error', () => child.pid === undefined && gone(null, null)); // it could not be started
  return {
    pid: child.pid,
    send(message, handle) {
      if (child.connected) child.send(message, handle, () => {});
    },
    kill: () => child.kill('SIGKILL'),
  };
}
