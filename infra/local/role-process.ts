import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Clock } from '../../contexts/base/clock.ts';
import { backoffMs } from '../../contexts/base/loop.ts';
import { lastLines, openLog } from './logs.ts';
import type { Watchdog } from './watchdog.ts';

/** One process the supervisor keeps: how to start it, how to know that it works, how to end it. */
export interface Role {
  name: string;
  command: string;
  args: readonly string[];
  /** The whole environment; nothing is inherited. */
  env: Record<string, string>;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Asked again and again after a start. True once it answers; anything else, also a throw, is "not yet". */
  ready(pid: number): Promise<boolean>;
  readyWithinMs: number;
  /** What asks it to end in order. */
  stopSignal: 'SIGTERM' | 'SIGINT';
  /** After this long it is killed. */
  stopWithinMs: number;
}

export type RoleEvent =
  | { event: 'ready'; role: string; pid: number; tookMs: number; restarts: number }
  /** `restartInMs` is null when it stays dead. */
  | {
      event: 'died';
      role: string;
      pid: number | undefined;
      how: string;
      lines: string[];
      log: string;
      restartInMs: number | null;
    }
  | { event: 'killed'; role: string; pid: number; afterMs: number };

export interface RoleProcessOptions {
  clock: Clock;
  watchdog: Watchdog;
  log: string;
  restart: boolean;
  onEvent(event: RoleEvent): void;
}

/** A role did not come up: it exited, or did not answer in time. The message carries its last words. */
export class RoleFailed extends Error {
  override name = 'RoleFailed';

  constructor(role: string, how: string, log: string, lines: readonly string[]) {
    const words = lines.length > 0 ? `\n${lines.map((line) => `    ${line}`).join('\n')}` : '';
    super(`${role} ${how}; its log is ${log}${words}`);
  }
}

const pollMs = 50;
const linesShown = 12;
const firstBackoffMs = 250;
const backoffMsMax = 10_000;
/** A role that lived this long is restarted without the memory of earlier deaths. */
const forgivenAfterMs = 30_000;

/**
 * States: *new* -> *starting* -> *ready* -> (it exits) *dead* -> (backoff) *starting* ...; from anywhere `stop()`
 * leads to *stopped*, which is final. A first start that fails is the caller's error; a later one is a death like
 * any other.
 */
export class RoleProcess {
  readonly role: Role;
  readonly #options: RoleProcessOptions;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  /** How the current child ended; replaced at every spawn, never rejects. */
  #exited: Promise<string> = Promise.resolve('was not started');
  #keeping: Promise<void> = Promise.resolve();
  #restarts = 0;

  constructor(role: Role, options: RoleProcessOptions) {
    this.role = role;
    this.#options = options;
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    const child = this.#child;
    return child && child.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  /** The process id it had last, also after its death. */
  get lastPid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once it answers. @throws RoleFailed when it does not. */
  async start(): Promise<void> {
    const outcome = await this.#spawnUntilReady();
    if (outcome !== 'ready') {
      const lines = lastLines(this.#options.log, linesShown);
      await this.stop();
      throw new RoleFailed(this.role.name, outcome, this.#options.log, lines);
    }
    this.#keeping = this.#keep();
  }

  /** Ends it for good: asks, waits, kills. Safe to call twice. */
  async stop(): Promise<void> {
    const { clock, onEvent } = this.#options;
    this.#stop.abort();
    const pid = this.pid;
    if (pid !== undefined) {
      const exited = new AbortController();
      void this.#exited.then(() => exited.abort());
      signalGroup(pid, this.role.stopSignal);
      await clock.sleep(this.role.stopWithinMs, exited.signal);
      if (!exited.signal.aborted) {
        onEvent({ event: 'killed', role: this.role.name, pid, afterMs: this.role.stopWithinMs });
        signalGroup(pid, 'SIGKILL');
      }
    }
    await this.#exited;
    await this.#keeping;
  }

  /** Waits for deaths and, where wanted, follows each with a new start. */
  async #keep(): Promise<void> {
    const { clock, log, restart, onEvent } = this.#options;
    let deathsInARow = 0;
    let readyAtMs = clock.monotonic();
    for (;;) {
      const pid = this.#child?.pid;
      const how = await this.#exited;
      if (this.#stop.signal.aborted) return;
      deathsInARow = clock.monotonic() - readyAtMs > forgivenAfterMs ? 1 : deathsInARow + 1;
      const restartInMs = restart ? backoffMs(deathsInARow, firstBackoffMs, backoffMsMax) : null;
      onEvent({
        event: 'died',
        role: this.role.name,
        pid,
        how,
        lines: lastLines(log, linesShown),
        log,
        restartInMs,
      });
      if (restartInMs === null) return;
      await clock.sleep(restartInMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      this.#restarts += 1;
      const outcome = await this.#spawnUntilReady();
      if (outcome === 'ready') readyAtMs = clock.monotonic();
      else if (this.pid !== undefined) signalGroup(this.pid, 'SIGKILL'); // alive but mute: its death is the next turn
    }
  }

  /** `'ready'`, or in words why it is not. */
  async #spawnUntilReady(): Promise<string> {
    const { clock, onEvent } = this.#options;
    const { role } = this;
    const startedAtMs = clock.monotonic();
    this.#spawn();
    let ended: string | undefined;
    const exited = this.#exited.then((how) => {
      ended = how;
    });
    while (!this.#stop.signal.aborted) {
      const pid = this.pid;
      const ready = pid !== undefined && (await Promise.race([role.ready(pid).catch(() => false), exited]));
      if (ended !== undefined) return ended;
      const tookMs = clock.monotonic() - startedAtMs;
      if (ready && pid !== undefined) {
        onEvent({ event: 'ready', role: role.name, pid, tookMs, restarts: this.#restarts });
        return 'ready';
      }
      if (tookMs > role.readyWithinMs) return `did not answer within ${role.readyWithinMs / 1000} s`;
      await Promise.race([clock.sleep(pollMs), exited]);
    }
    return 'was stopped while it started';
  }

  #spawn(): void {
    const { role } = this;
    const { watchdog } = this.#options;
    const log = openLog(this.#options.log);
    const child = spawn(role.command, role.args, {
      env: role.env,
      cwd: role.cwd ?? '/',
      uid: role.uid,
      gid: role.gid,
      detached: true, // a process group of its own: Ctrl-C in the terminal is for the supervisor
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    const { pid } = child;
    if (pid !== undefined) watchdog.tell({ order: 'guard', pid, signal: role.stopSignal });
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started (${error.message})`));
      child.once('exit', (code, signal) => {
        if (pid !== undefined) {
          signalGroup(pid, 'SIGKILL'); // what it may have started itself
          watchdog.tell({ order: 'forget', pid });
        }
        resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`);
      });
    });
  }
}

/** Signals a role and whatever it started. Nothing happens when nobody of it is left. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // it ended by itself meanwhile
  }
}
