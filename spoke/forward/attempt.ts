import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import type { Upstream } from '../prepared.ts';
import { responseHeaders, trailers } from './headers.ts';
import type { RequestBody } from './request-body.ts';

export interface ExchangeTimes {
  connectTimeoutMs: number;
  /** From the end of the request to the upstream's response headers. */
  headersTimeoutMs: number;
  /** Silence in the middle of a body, in either direction. */
  idleTimeoutMs: number;
}

/** What is under way and can be ended before it is over. */
export interface Cancellable {
  cancel(): void;
  /** The client has all of its answer. */
  finished?(): void;
}

/**
 * Whether a forward is to end before it is over. One part of it listens at a time: an exchange, then its tunnel. (An
 * AbortController says the same for several times the cost, on every request.)
 */
export class Ending {
  #ended = false;
  #listener: Cancellable | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener?.cancel();
  }

  /** It is over in the good way. */
  finish(): void {
    this.#listener?.finished?.();
  }

  /** In place of who listened before. Cancels at once where the end has come already. */
  listen(listener: Cancellable | undefined): void {
    this.#listener = listener;
    if (this.#ended) listener?.cancel();
  }
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
  readonly ending: Ending;
  /** Sent with the upstream's own. */
  readonly answerHeaders: readonly string[];
  /** To be called when the upstream has begun to answer. */
  answered(): void;
}

/** Hands an informational answer (1xx) on. HTTP/1.0 has none. */
export function inform(outgoing: ServerResponse, status: number, raw: readonly string[]): void {
  if (outgoing.req.httpVersion !== '1.1' || outgoing.headersSent || status <= 101) return;
  outgoing.writeInformation(status, responseHeaders(raw, false));
}

/** Begins with the status and the headers of the upstream's answer. They leave with the first piece of the body, or when flushed. */
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
  const headers = responseHeaders(raw, chunked);
  if (answerHeaders.length > 0) headers.push(...answerHeaders);
  outgoing.writeHead(status, unsendable.test(statusText) ? '' : statusText, headers);
}

/** A reason phrase of other than ASCII comes here as Unicode, which does not go into a status line. Nobody needs it. */
const unsendable = /[^\t\x20-\x7e]/;

/** Ends the answer, and waits until the client has it. Without chunks there is no place for trailers. */
export async function endAnswer(outgoing: ServerResponse, rawTrailers: readonly string[]): Promise<void> {
  const pairs = trailers(rawTrailers);
  if (pairs.length > 0 && outgoing.chunkedEncoding) outgoing.addTrailers(pairs);
  outgoing.end();
  await finished(outgoing);
}

function hasLength(raw: readonly string[]): boolean {
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!;
    if (name.length === contentLengthLength && name.toLowerCase() === 'content-length') return true;
  }
  return false;
}

const contentLengthLength = 'content-length'.length;
