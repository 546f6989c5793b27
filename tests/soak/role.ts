import { systemClock as clock } from '../../contexts/base/clock.ts';
import { type Role, RoleProcess } from '../../infra/local/role-process.ts';
import type { Watchdog } from '../../infra/local/watchdog.ts';

export type RoleKind = 'postgres' | 'redis' | 'store' | 'hub' | 'publisher' | 'gateway';

/**
 * One process of the wheel, to be killed, frozen, stopped and started. What it does by itself is noted: a process
 * that ends although nobody ended it, or does not end when it is asked to.
 */
export class RoleInTrouble {
  readonly what: RoleKind;
  readonly region: string | undefined;
  readonly name: string;
  /** Since when it has answered without a break, Unix ms; Infinity while it does not. */
  wellSinceMs = Number.POSITIVE_INFINITY;
  /** It ended by itself: how, and its last words. */
  readonly deaths: string[] = [];
  /** It was asked to end and did not in time. */
  hangs = 0;
  readonly #options: RoleInTroubleOptions;
  #process: RoleProcess | undefined;

  constructor(options: RoleInTroubleOptions) {
    this.#options = options;
    this.what = options.what;
    this.region = options.region;
    this.name = options.role.name;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it, as whoever supervises it would: again and again until it answers. @throws after `patienceMs`. */
  async start(patienceMs = 60_000): Promise<void> {
    const { role, watchdog, log, say } = this.#options;
    const startedAtMs = clock.monotonic();
    for (;;) {
      const process = new RoleProcess(role, {
        clock,
        watchdog,
        log,
        restart: false,
        onEvent: (event) => {
          if (event.event === 'killed') this.hangs += 1;
          if (event.event === 'died')
            this.#died(`${event.how}\n${event.lines.map((line) => line.slice(0, 300)).join('\n')}`);
        },
      });
      this.#process = process;
      try {
        await process.start();
        this.wellSinceMs = clock.now();
        return;
      } catch (error) {
        if (clock.monotonic() - startedAtMs > patienceMs) throw error;
        say(`${this.name} did not come up; it is started again`);
        await clock.sleep(500);
      }
    }
  }

  /** `kill -9`, to it and all that it started. Resolves once it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to end in order. Resolves once it is gone. */
  async stop(): Promise<void> {
    this.wellSinceMs = Number.POSITIVE_INFINITY;
    await this.#process?.stop();
  }

  freeze(): void {
    this.wellSinceMs = Number.POSITIVE_INFINITY;
    this.#signal('SIGSTOP');
  }

  thaw(): void {
    this.#signal('SIGCONT');
    if (this.pid !== undefined) this.wellSinceMs = clock.now();
  }

  async #end(signal: 'SIGKILL'): Promise<void> {
    this.wellSinceMs = Number.POSITIVE_INFINITY;
    const stopped = this.#process;
    this.#signal(signal);
    await stopped?.stop();
  }

  #died(how: string): void {
    this.wellSinceMs = Number.POSITIVE_INFINITY;
    this.deaths.push(how);
    this.#options.say(`${this.name} ended by itself: ${how}`);
    this.start().catch((error) => this.#options.say(`${this.name} does not come up again: ${error}`));
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // it ended meanwhile
    }
  }
}

export interface RoleInTroubleOptions {
  what: RoleKind;
  region: string | undefined;
  role: Role;
  log: string;
  watchdog: Watchdog;
  say(line: string): void;
}
