import { isAscii } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import { problem, problemContentType } from '../contexts/base/problem.ts';

/** A whole answer, made once and sent many times. */
export interface Reply {
  readonly status: number;
  /** Names and values in turn, as node writes them with the least work; `content-length` among them. */
  readonly headers: readonly string[];
  readonly body: string;
  /** Of the body and, in the same write, of what precedes it. Nearly all are of ASCII, which is copied as it is. */
  readonly encoding: 'latin1' | 'utf8';
}

export function makeReply(status: number, headers: Readonly<Record<string, string>>, body: string): Reply {
  const all = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
  return { status, headers: Object.entries(all).flat(), body, encoding: encodingOf(body) };
}

export function encodingOf(body: string): Reply['encoding'] {
  return isAscii(Buffer.from(body)) ? 'latin1' : 'utf8';
}

/** Sends it over a node response, unless an answer was begun before. */
export function writeReply(outgoing: ServerResponse, reply: Reply): void {
  if (outgoing.destroyed || outgoing.headersSent) return;
  outgoing.writeHead(reply.status, reply.headers as string[]); // node only reads them
  outgoing.end(reply.body, reply.encoding);
}

export function headersOf(reply: Reply): Record<string, string> {
  const { headers } = reply;
  return Object.fromEntries(
    headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]!] as const] : [])),
  );
}

export function toResponse(reply: Reply): Response {
  return new Response(reply.body, { status: reply.status, headers: headersOf(reply) });
}

/** An error as a problem document. Nothing of a gateway's may be kept by caches on the way. */
export function problemReply(
  status: number,
  code: string,
  title: string,
  rest: { detail?: string; headers?: Record<string, string> } = {},
): Reply {
  const { detail, headers } = rest;
  const document = problem(status, code, title, detail === undefined ? {} : { detail });
  const all = { 'content-type': problemContentType, 'cache-control': 'no-store', ...headers };
  return makeReply(status, all, JSON.stringify(document));
}

export const badPath = problemReply(400, 'BAD_PATH', 'The path cannot be forwarded', {
  detail:
    'Dot segments, backslashes and characters outside of visible ASCII are not forwarded; write the path plainly.',
});
export const notFound = problemReply(404, 'NO_SUCH_ROUTE', 'There is nothing here');
export const internalError = problemReply(500, 'INTERNAL', 'The gateway made a mistake');
