import { problem, problemContentType } from '../contexts/base/problem.ts';

/** A whole answer, ready to be sent: to Hono as a Response, to a node response as it is. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function toResponse(reply: Reply): Response {
  return new Response(reply.body, { status: reply.status, headers: reply.headers });
}

/** An error as a problem document. Nothing of a gateway's may be kept by caches on the way. */
export function problemReply(
  status: number,
  code: string,
  title: string,
  rest: { detail?: string; headers?: Record<string, string> } = {},
): Reply {
  const { detail, headers } = rest;
  return {
    status,
    headers: { 'content-type': problemContentType, 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(problem(status, code, title, detail === undefined ? {} : { detail })),
  };
}

export const badPath = problemReply(400, 'BAD_PATH', 'The path cannot be forwarded', {
  detail:
    'Dot segments, backslashes and characters outside of visible ASCII are not forwarded; write the path plainly.',
});
export const notFound = problemReply(404, 'NO_SUCH_ROUTE', 'There is nothing here');
export const internalError = problemReply(500, 'INTERNAL', 'The gateway made a mistake');
