/**
 * Things that come and go by the thousand in a second, in no order. A Set would do, at a price: each time V8 makes its
 * table anew, the old table points to the new one and to what it held, so that once one of them is old to the
 * collector, everything that was ever in the set lives on until the next full collection.
 */
export class Bag<Thing extends { place: number }> {
  readonly #things: Thing[] = [];

  get size(): number {
    return this.#things.length;
  }

  add(thing: Thing): void {
    thing.place = this.#things.length;
    this.#things.push(thing);
  }

  /** Takes out what is in it. */
  delete(thing: Thing): void {
    const last = this.#things.pop()!;
    if (last === thing) return;
    this.#things[thing.place] = last;
    last.place = thing.place;
  }

  /** As they are now: they may come and go meanwhile. */
  all(): Thing[] {
    return [...this.#things];
  }
}
