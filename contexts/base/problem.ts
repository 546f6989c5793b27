/**
 * A problem document (RFC 9457), the body of every error either API gives.
 * `code` is ours: stable, for programs; docs/failure-modes.md has a section a code.
 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  /** What is wrong with which field, where the input is at fault. `pointer` is a JSON pointer (RFC 6901). */
  errors?: readonly { pointer: string; detail: string }[];
}

export const problemContentType = 'application/problem+json';

export function problem(
  status: number,
  code: string,
  title: string,
  rest: Pick<Problem, 'detail' | 'errors'> = {},
): Problem {
  return {
    type: `urn:spokecast:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    code,
    ...rest,
  };
}

export function problemResponse(document: Problem, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(document), {
    status: document.status,
    headers: { ...headers, 'content-type': problemContentType },
  });
}
