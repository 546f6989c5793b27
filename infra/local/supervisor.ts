import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../contexts/base/clock.ts';
import { type Role, type RoleEvent, RoleProcess } from './role-process.ts';
import { Watchdog } from './watchdog.ts';

export { type Role, type RoleEvent, RoleFailed } from './role-process.ts';

export interface SupervisorOptions {
  clock: Clock;
  /** One file a role, `<name>.log`. Created if absent. */
  logDirectory: string;
  /** Whether a role that dies after it was ready is started again. */
  restart: boolean;
  onEvent(event: RoleEvent): void;
}

/**
 * Keeps a set of processes running and ends them in order.
 *
 * What was started last is stopped first: whoever starts a role has waited for those it needs. Roles of one
 * `start` call need nothing of each other and are started, and stopped, side by side.
 */
export class Supervisor implements AsyncDisposable {
  readonly watchdog: Watchdog;
  readonly #options: SupervisorOptions;
  /** Every `start` call's roles, in the order of the calls. */
  readonly #stages: RoleProcess[][] = [];
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.watchdog = new Watchdog();
    mkdirSync(options.logDirectory, { recursive: true });
  }

  /** Where a role's log is. */
  logOf(name: string): string {
    return join(this.#options.logDirectory, `${name}.log`);
  }

  /** The process id of a role, while it runs. */
  pidOf(name: string): number | undefined {
    return this.#find(name)?.pid;
  }

  /** The process id a role had last, also after its death. */
  lastPidOf(name: string): number | undefined {
    return this.#find(name)?.lastPid;
  }

  /** Starts roles side by side; resolves once all answer. @throws RoleFailed for the first that does not. */
  async start(...roles: readonly Role[]): Promise<void> {
    if (this.#stopping) throw new Error('this supervisor is stopping');
    const { clock, restart, onEvent } = this.#options;
    const stage = roles.map(
      (role) =>
        new RoleProcess(role, {
          clock,
          restart,
          onEvent,
          watchdog: this.watchdog,
          log: this.logOf(role.name),
        }),
    );
    this.#stages.push(stage);
    await Promise.all(stage.map((process) => process.start()));
  }

  /** Ends everything, the last stage first. Every role is gone when it resolves. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const stage of this.#stages.toReversed()) {
      await Promise.all(stage.map((process) => process.stop()));
    }
  }

  #find(name: string): RoleProcess | undefined {
    return this.#stages.flat().find((process) => process.role.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.watchdog[Symbol.asyncDispose]();
  }
}
