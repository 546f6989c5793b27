import type { IncomingMessage } from 'node:http';
import type { Ending } from './attempt.ts';

/** Bodies that say they are no longer than this are read whole before an upstream is asked. */
const gatheredBytesMax = 16 * 1024;

/**
 * The body of a request. A small one is {@link gather}ed: it leaves in one piece with its headers, as often as it has
 * to. Any other is read at most once, and not before the upstream is there to take it: only as long as it is untouched
 * the request can be sent to another upstream. Giving up in the middle leaves the client's connection alone, so that
 * the client can still be told why.
 */
export class RequestBody implements AsyncIterable<Buffer> {
  readonly #incoming: IncomingMessage;
  readonly #length: number | undefined;
  #touched = false;
  /** All of it, once it was gathered. */
  whole: Buffer | undefined;

  /** @param length in bytes, where that is known beforehand. */
  constructor(incoming: IncomingMessage, length: number | undefined) {
    this.#incoming = incoming;
    this.#length = length;
  }

  get isSmall(): boolean {
    return this.#length !== undefined && this.#length <= gatheredBytesMax;
  }

  /** Whether it can be sent from its beginning, for the first time or again. */
  get isSendable(): boolean {
    return this.whole !== undefined || !this.#touched;
  }

  /** Reads a small one. Resolves when it is whole, and when `ending` has come before. */
  gather(ending: Ending): Promise<void> {
    const length = this.#length!;
    const incoming = this.#incoming;
    const pieces: Buffer[] = [];
    let gathered = 0;
    return new Promise((resolve) => {
      const take = () => {
        const piece = incoming.read() as Buffer | null; // all that is there
        if (piece === null) return;
        pieces.push(piece);
        gathered += piece.length;
        if (gathered < length) return;
        incoming.off('readable', take);
        this.whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
        resolve();
      };
      ending.listen({ cancel: resolve });
      this.#touched = true;
      // What came in one packet with the headers is read by then, without the ways of a stream.
      process.nextTick(() => {
        take();
        if (this.whole === undefined) incoming.on('readable', take);
      });
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.#touched = true;
    for await (const chunk of this.#incoming.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  }
}

/** RFC 9112 6.3: a request has a body exactly if it says how that is framed. */
export function bodyOf(incoming: IncomingMessage): RequestBody | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  if (encoding !== undefined) return new RequestBody(incoming, undefined);
  const bytes = Number(length ?? 0);
  return bytes === 0 ? undefined : new RequestBody(incoming, bytes);
}
