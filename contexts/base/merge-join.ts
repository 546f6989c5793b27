/**
 * Joins two streams that ascend by key: what only the left has, what only the right has, what both have. Both must be
 * strictly ascending in byte order; keys are such that JavaScript's `<` is byte order (contexts/keys.ts).
 *
 * Both come in runs, and so does the result: as many rows as can be told without another run. It holds one run of each
 * side, and asks for the next of a side only when the last was told. Nobody awaits each row, which would cost more than
 * all that is done with it.
 */
export async function* mergeJoin<Left extends { key: string }, Right extends { key: string }>(
  left: AsyncIterable<readonly Left[]>,
  right: AsyncIterable<readonly Right[]>,
): AsyncGenerator<{ left?: Left; right?: Right }[]> {
  const lefts = new Side(left);
  const rights = new Side(right);
  try {
    for (;;) {
      await Promise.all([lefts.fill(), rights.fill()]);
      const rows: { left?: Left; right?: Right }[] = [];
      let [l, r] = [lefts.first, rights.first];
      while ((l || lefts.isOver) && (r || rights.isOver) && (l || r)) {
        const order = !r || (l && l.key < r.key) ? 'left' : !l || r.key < l.key ? 'right' : 'both';
        rows.push(
          order === 'both' ? { left: l!, right: r! } : order === 'left' ? { left: l! } : { right: r },
        );
        if (order !== 'right') l = lefts.next();
        if (order !== 'left') r = rights.next();
      }
      if (rows.length === 0) return;
      yield rows;
    }
  } finally {
    await Promise.all([lefts.close(), rights.close()]);
  }
}

/** One stream, and where in its present run it is. */
class Side<Item> {
  isOver = false;
  readonly #runs: AsyncIterator<readonly Item[]>;
  #run: readonly Item[] = [];
  #position = 0;

  constructor(runs: AsyncIterable<readonly Item[]>) {
    this.#runs = runs[Symbol.asyncIterator]();
  }

  /** The item that comes next; undefined where the run is told. */
  get first(): Item | undefined {
    return this.#run[this.#position];
  }

  /** Goes one on. */
  next(): Item | undefined {
    return this.#run[++this.#position];
  }

  /** Has an item ready, unless the stream is over. */
  async fill(): Promise<void> {
    while (this.first === undefined && !this.isOver) {
      const { done, value } = await this.#runs.next();
      if (done) this.isOver = true;
      else [this.#run, this.#position] = [value, 0];
    }
  }

  async close(): Promise<void> {
    await this.#runs.return?.();
  }
}

/** The items of a stream of runs, for whom one at a time is good enough. */
export async function* oneByOne<Item>(runs: AsyncIterable<readonly Item[]>): AsyncGenerator<Item> {
  for await (const run of runs) yield* run;
}
