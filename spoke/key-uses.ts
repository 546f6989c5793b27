import type { PreparedAgentKey } from './prepared.ts';

/** Keys that were used in one stretch of time. */
export interface UsedKeys {
  /** When the stretch ended, milliseconds since the Unix epoch. */
  atMs: number;
  ids: readonly string[];
}

/**
 * Which agent keys were let in, gathered in stretches of some minutes. A request costs a comparison; the first of a key
 * in a stretch, one entry in a set.
 */
export class KeyUses {
  /** Of the present stretch; never 0, which is what a key has that was never used. */
  #stretch = 1;
  #used = new Set<string>();
  readonly #keysMax: number;
  #left = 0;

  constructor({ keysMax }: { keysMax: number }) {
    this.#keysMax = keysMax;
  }

  note(key: PreparedAgentKey): void {
    if (key.usedIn !== this.#stretch) this.#first(key);
  }

  #first(key: PreparedAgentKey): void {
    key.usedIn = this.#stretch;
    if (this.#used.size < this.#keysMax) this.#used.add(key.id);
    else if (!this.#used.has(key.id)) this.#left += 1;
  }

  /** Ends the stretch: what was used in it, and how many more keys were than there is room for. */
  take(): { ids: string[]; left: number } {
    const taken = { ids: [...this.#used], left: this.#left };
    this.#stretch += 1;
    this.#used = new Set();
    this.#left = 0;
    return taken;
  }
}
