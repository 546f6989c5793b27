import type { Random } from '../../contexts/base/random.ts';

/** Bits a key and tests a key: with as many keys as were reckoned with, one stranger in a thousand passes for known. */
const bitsPerKey = 16;
const testsPerKey = 6;

/**
 * Which contexts there are in the region, held here or not, so that a flood of made-up keys can be told from keys that
 * nobody has asked this gateway for yet. A Bloom filter: it takes two bytes a context however many there are, a context
 * that was put in is always found, and a few that were not are found as well.
 *
 * What is `unheard` may exist all the same (the filter is evidence of presence, never of absence): it is read from the
 * store like any other, only from the budget that a flood has to share.
 *
 * It is *untold* until a census has read all of the region, and again from `doubt` on, when announcements were missed;
 * *told* in between. A context that came to be while the census went on is added by its announcement.
 */
export class KnownKeys {
  readonly #bitMask: number;
  readonly #seeds: readonly [number, number];
  #bits: Uint32Array;
  /** What the census under way has found so far. */
  #next: Uint32Array | undefined;
  #isTold = false;

  constructor({ keysMax, random }: { keysMax: number; random: Random }) {
    const bitCount = 2 ** Math.ceil(Math.log2(keysMax * bitsPerKey));
    this.#bitMask = bitCount - 1;
    this.#bits = new Uint32Array(Math.ceil(bitCount / 32));
    // Of chance, so that nobody can make up keys that pass for known ones.
    const seeds = new DataView(Uint8Array.from(random.bytes(8)).buffer);
    this.#seeds = [seeds.getUint32(0), seeds.getUint32(4)];
  }

  get isTold(): boolean {
    return this.#isTold;
  }

  /** `ref` is there. */
  add(ref: string): void {
    set(this.#bits, this.#places(ref));
    if (this.#next) set(this.#next, this.#places(ref));
  }

  /** Whether there is such a context: `known` is nearly sure, `unheard` is sure but for what the feed has not told yet. */
  tells(ref: string): 'known' | 'unheard' | 'untold' {
    if (this.#places(ref).every((place) => (this.#bits[place >>> 5]! & (1 << (place & 31))) !== 0))
      return 'known';
    return this.#isTold ? 'unheard' : 'untold';
  }

  /** A census begins: what is added from here on is in what it will have found. */
  begin(): void {
    this.#next = new Uint32Array(this.#bits.length);
  }

  /** The census has read everything, since the last `begin`. */
  finish(): 'told' | 'doubted' {
    if (this.#next === undefined) return 'doubted';
    this.#bits = this.#next;
    this.#next = undefined;
    this.#isTold = true;
    return 'told';
  }

  /** Something may have come to be without being announced here. A census under way is in vain. */
  doubt(): void {
    this.#isTold = false;
    this.#next = undefined;
  }

  /** Double hashing: the second hash is the step, and odd, so that the places differ. */
  #places(ref: string): number[] {
    const step = hash(ref, this.#seeds[1]) | 1;
    let at = hash(ref, this.#seeds[0]);
    const places: number[] = [];
    for (let i = 0; i < testsPerKey; i++) {
      places.push((at & this.#bitMask) >>> 0);
      at = (at + step) | 0;
    }
    return places;
  }
}

function set(bits: Uint32Array, places: readonly number[]): void {
  for (const place of places) bits[place >>> 5]! |= 1 << (place & 31);
}

/** FNV-1a, seeded, and stirred at the end as in MurmurHash 3: the last letters count as much as the first. */
function hash(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
