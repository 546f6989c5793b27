import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Ends what a supervisor started when the supervisor itself is killed outright (`kill -9`, a crash).
 *
 * The roles run in process groups of their own, so that Ctrl-C reaches the supervisor alone, which ends them in
 * order; nobody would end them otherwise. The watchdog is a process at the other end of a pipe: when the pipe
 * closes, the supervisor is gone.
 */
export type WatchdogOrder =
  /** End the process group of `pid`, first with `signal`. */
  | { order: 'guard'; pid: number; signal: NodeJS.Signals }
  | { order: 'forget'; pid: number }
  /** Remove a file or directory once everything has ended. */
  | { order: 'remove-afterwards'; path: string }
  /** The supervisor ends in order and has cleaned up itself. */
  | { order: 'stand-down' };

export class Watchdog implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;

  constructor() {
    const main = fileURLToPath(new URL('./watchdog-main.ts', import.meta.url));
    this.#process = spawn(process.execPath, [main], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    this.#process.unref();
    this.#process.stdin!.on('error', () => {}); // it was killed; then so be it
    this.#exited = new Promise((resolve) =>
      this.#process.once('exit', () => resolve()).once('error', () => resolve()),
    );
  }

  tell(order: WatchdogOrder): void {
    this.#process.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.ref();
    this.tell({ order: 'stand-down' });
    this.#process.stdin!.end();
    await this.#exited;
  }
}
