import { problemContentType } from '../../contexts/base/problem.ts';
import type { ProblemError } from './problems.ts';

/** A problem as a response. */
export function problemAnswer({ document, headers }: ProblemError): Response {
  return new Response(JSON.stringify(document), {
    status: document.status,
    headers: { 'cache-control': 'no-store', ...headers, 'content-type': problemContentType },
  });
}

/** A path of OpenAPI as hono writes it. */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
