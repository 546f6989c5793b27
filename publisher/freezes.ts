import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import { type Freeze, freezeOf } from '../hub/db/freezes.ts';
import type { FreezeMode } from '../hub/db/guard-schema.ts';

/**
 * The freeze switch as this publisher knows it. Follows the table, woken by NOTIFY with a poll behind it, so that
 * every publisher obeys within a second. When the database does not answer, what was known last goes on to hold.
 *
 * A region that thaws is swept: what was not published meanwhile is found by that. Each publisher asks for that sweep
 * when it sees the thaw itself, so whatever one of them still withheld a moment too long is found too.
 */
export interface FreezesOptions {
  clock: Clock;
  log: Logger;
  read(): Promise<readonly Freeze[]>;
  /** The regions that are published to. */
  regions(): readonly string[];
  sweep(region: string): Promise<void>;
  onError(error: unknown): void;
}

export class Freezes {
  readonly #options: FreezesOptions;
  #known: readonly Freeze[] = [];
  /** As told to the log last. */
  readonly #modes = new Map<string, FreezeMode | undefined>();
  /** Thawed, and the sweep is not in the queue yet. */
  readonly #owesSweep = new Set<string>();
  readonly loop: Loop;

  constructor(options: FreezesOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: 'freezes',
      clock: options.clock,
      everyMs: 500,
      turn: () => this.refresh(),
      onError: options.onError,
    });
  }

  modeOf(region: string): FreezeMode | undefined {
    return freezeOf(this.#known, region)?.mode;
  }

  /** Asks the database now. */
  async refresh(): Promise<void> {
    this.#known = await this.#options.read();
    const regions = new Set(this.#options.regions());
    for (const region of regions) this.#notice(region);
    for (const region of this.#modes.keys()) if (!regions.has(region)) this.#modes.delete(region);
    for (const region of [...this.#owesSweep]) {
      if (regions.has(region)) await this.#options.sweep(region);
      this.#owesSweep.delete(region);
    }
  }

  #notice(region: string): void {
    const before = this.#modes.get(region);
    const now = freezeOf(this.#known, region);
    if (now?.mode === before) return;
    this.#modes.set(region, now?.mode);
    const { log } = this.#options;
    if (now) {
      const { mode, reason, actorId, since } = now;
      const everywhere = now.region === null;
      log.warn({ region, mode, reason, actorId, since, everywhere }, 'the region is frozen');
    }
    if (before === 'all' || !now) {
      log.warn(
        { region, mode: now?.mode ?? 'none' },
        'the region thaws; a sweep will find what was not published',
      );
      this.#owesSweep.add(region);
    }
  }
}
