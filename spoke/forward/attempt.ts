import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import type { Upstream } from '../prepared.ts';
import { responseHeaders, trailers } from './headers.ts';

export interface ExchangeTimes {
  connectTimeoutMs: number;
  /** From the end of the request to the upstream's response headers. */
  headersTimeoutMs: number;
  /** Silence in the middle of a body, in either direction. */
  idleTimeoutMs: number;
}

/** One try to have a request answered by one upstream. */
export interface Attempt {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly upstream: Upstream;
  readonly path: string;
  /** As they are sent, without those that are the connection's. */
  readonly headers: readonly string[];
  readonly body: RequestBody | undefined;
  /** Ends the attempt: nobody waits for its answer any more. */
  readonly signal: AbortSignal;
  /** Sent with the upstream's own. */
  readonly answerHeaders: readonly string[];
  /** To be called when the upstream has begun to answer. */
  answered(): void;
}

/**
 * The body of a request, read at most once, and not before the upstream is there to take it: as long as it is
 * *untouched*, the request can be sent to another upstream. Giving up in the middle leaves the client's connection
 * alone, so that the client can still be told why.
 */
export class RequestBody implements AsyncIterable<Buffer> {
  readonly #incoming: IncomingMessage;
  untouched = true;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.untouched = false;
    for await (const chunk of this.#incoming.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  }
}

/** RFC 9112 6.3: a request has a body exactly if it says how that is framed. */
export function bodyOf(incoming: IncomingMessage): RequestBody | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  const framed = encoding !== undefined || (length !== undefined && length !== '0');
  return framed ? new RequestBody(incoming) : undefined;
}

/** Hands an informational answer (1xx) on. HTTP/1.0 has none. */
export function inform(outgoing: ServerResponse, status: number, raw: readonly string[]): void {
  if (outgoing.req.httpVersion !== '1.1' || outgoing.headersSent || status <= 101) return;
  outgoing.writeInformation(status, responseHeaders(raw, false));
}

/** Sends the status and the headers of the upstream's answer, before the first byte of its body is there. */
export function beginAnswer(
  { outgoing, answered, answerHeaders }: Pick<Attempt, 'outgoing' | 'answered' | 'answerHeaders'>,
  status: number,
  statusText: string,
  raw: readonly string[],
): void {
  answered();
  const { httpVersion, method } = outgoing.req;
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  const chunked = httpVersion === '1.1' && !bodiless && !hasLength(raw);
  outgoing.writeHead(status, statusText, [...responseHeaders(raw, chunked), ...answerHeaders]);
  outgoing.flushHeaders();
}

/** Ends the answer, and waits until the client has it. Without chunks there is no place for trailers. */
export async function endAnswer(outgoing: ServerResponse, rawTrailers: readonly string[]): Promise<void> {
  const pairs = trailers(rawTrailers);
  if (pairs.length > 0 && outgoing.chunkedEncoding) outgoing.addTrailers(pairs);
  outgoing.end();
  await finished(outgoing);
}

function hasLength(raw: readonly string[]): boolean {
  return raw.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length');
}
