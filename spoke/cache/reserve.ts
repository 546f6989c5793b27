import type { Holding, Restored } from './holding.ts';

/** What an earlier process held, as it was written down. */
export interface Restorable {
  /** By `refText`, least recently used first. The reserve owns it from here on. */
  holdings: Map<string, Holding>;
  worth: Restored;
  /** Of the table that announced their floors. */
  incarnation: string;
}

/**
 * What was restored from a snapshot and nobody has asked for yet. It is the cache's like any other entry, but for one
 * thing: it is made ready for the hot path only when it is touched, so that a gateway with 100,000 contexts answers
 * before it has looked into each of them.
 */
export class Reserve {
  #holdings = new Map<string, Holding>();
  #worth: Restored = 'aged';
  #incarnation: string | undefined;
  #bytes = 0;

  /** Of present ones, the most recently used up to the bounds; the rest is left out. Returns how many there are. */
  fill(
    { holdings, worth, incarnation }: Restorable,
    bounds: { entriesMax: number; bytesMax: number },
  ): number {
    this.#holdings = holdings;
    this.#worth = worth;
    this.#incarnation = incarnation;
    this.#bytes = 0;
    for (const { bodyText } of holdings.values()) this.#bytes += bodyText?.length ?? 0;
    for (const [ref, { bodyText }] of holdings) {
      if (holdings.size <= bounds.entriesMax && this.#bytes <= bounds.bytesMax) break;
      holdings.delete(ref);
      this.#bytes -= bodyText?.length ?? 0;
    }
    return holdings.size;
  }

  get size(): number {
    return this.#holdings.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  refs(): string[] {
    return [...this.#holdings.keys()];
  }

  has(ref: string): boolean {
    return this.#holdings.has(ref);
  }

  /** As it would be written down again. */
  peek(ref: string): Holding | undefined {
    const holding = this.#holdings.get(ref);
    return holding && { ...holding, suspect: true };
  }

  /** As it is taken out, and left in. */
  look(ref: string): { holding: Holding; worth: Restored } | undefined {
    const holding = this.#holdings.get(ref);
    return holding && { holding, worth: holding.suspect ? 'aged' : this.#worth };
  }

  /** Announcements were missed: what is here is worth no more than what is old. */
  age(): void {
    this.#worth = 'aged';
  }

  /** Takes one out, for good. */
  take(ref: string): { holding: Holding; worth: Restored; incarnation: string | undefined } | undefined {
    const looked = this.look(ref);
    if (looked === undefined) return undefined;
    this.#holdings.delete(ref);
    this.#bytes -= looked.holding.bodyText?.length ?? 0;
    return { ...looked, incarnation: this.#incarnation };
  }
}
