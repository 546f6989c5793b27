import type { Item, Key, QueryPage } from './dynamodb-table.ts';

type ReadPage = (startAt: Key | undefined) => Promise<QueryPage>;

/** Items in one run: enough that it costs nothing, few enough to be gone before the collector looks for them twice. */
const runMax = 256;

/**
 * The items of several partitions, each in the order of `sk`, as one sequence in that order, in runs: as many as
 * can be told without another page, so that nobody awaits each item.
 *
 * Each partition holds the page being handed out and the one after it, asked for ahead; a caller that stops
 * early leaves at most one answer a partition unread.
 */
export async function* mergedByKey(partitions: readonly ReadPage[]): AsyncGenerator<Item[]> {
  const streams = partitions.map((readPage) => new PageStream(readPage));
  await Promise.all(streams.map((stream) => stream.fill()));
  while (true) {
    const run: Item[] = [];
    let first = lowest(streams);
    if (!first) return;
    while (first?.key !== undefined && run.length < runMax) {
      run.push(first.take());
      if (first.key === undefined) break; // what its next page begins with may come before all others
      first = lowest(streams);
    }
    yield run;
    await first?.fill();
  }
}

/** The stream whose next item comes first; undefined where all are at their end. */
function lowest(streams: readonly PageStream[]): PageStream | undefined {
  let first: PageStream | undefined;
  for (const stream of streams) {
    if (stream.key !== undefined && (first?.key === undefined || stream.key < first.key)) first = stream;
  }
  return first;
}

/**
 * One partition. `key` is that of the item that `take` would hand out; where it is undefined, `fill` gets the
 * next page, and where it still is after that, the partition is at its end.
 */
class PageStream {
  key: string | undefined;
  readonly #readPage: ReadPage;
  #pieces: Iterator<Item[]> = [].values();
  #piece: Item[] = [];
  #position = 0;
  #ahead: ReturnType<ReadPage> | undefined;

  constructor(readPage: ReadPage) {
    this.#readPage = readPage;
    this.#ahead = this.#ask(undefined);
  }

  take(): Item {
    const item = this.#piece[this.#position++] as Item;
    this.#look();
    return item;
  }

  #look(): void {
    while (this.#position === this.#piece.length) {
      const { done, value } = this.#pieces.next();
      if (done) break;
      this.#piece = value;
      this.#position = 0;
    }
    this.key = this.#piece[this.#position]?.sk?.S;
  }

  async fill(): Promise<void> {
    while (this.key === undefined && this.#ahead) {
      const { pieces, next } = await this.#ahead;
      this.#pieces = pieces[Symbol.iterator]();
      this.#look();
      this.#ahead = next && this.#ask(next);
    }
  }

  #ask(startAt: Key | undefined): ReturnType<ReadPage> {
    const page = this.#readPage(startAt);
    page.catch(() => undefined); // it is awaited later, or never where the caller stops early
    return page;
  }
}
