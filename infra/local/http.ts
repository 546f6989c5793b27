import { request } from 'undici';

/** A request over loopback that must not hang: what is asked here either answers soon or is not there yet. */
const timeoutMs = 5_000;

export interface Answer {
  status: number;
  /** The body as JSON where it is JSON, else as text. */
  body: unknown;
}

export interface Question {
  method?: string;
  /** Sent as a bearer credential. */
  bearer?: string;
  body?: unknown;
}

/**
 * Not `fetch`, which refuses some ports (6000, 10080, ...) that a `--port-base` may well lead to.
 * @throws when nothing answers in time.
 */
export async function ask(url: string, question: Question = {}): Promise<Answer> {
  const { statusCode, body } = await request(url, {
    method: question.method ?? 'GET',
    headers: {
      ...(question.bearer ? { authorization: `Bearer ${question.bearer}` } : {}),
      ...(question.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: question.body === undefined ? undefined : JSON.stringify(question.body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await body.text();
  try {
    return { status: statusCode, body: JSON.parse(text) };
  } catch {
    return { status: statusCode, body: text };
  }
}

/** Whether that address answers 200. */
export async function answersOk(url: string, bearer?: string): Promise<boolean> {
  const answer = await ask(url, { bearer }).catch(() => undefined);
  return answer?.status === 200;
}
