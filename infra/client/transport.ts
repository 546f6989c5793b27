import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { request } from 'undici';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Transport } from './hub-api.ts';

/** Not `fetch`, which refuses some ports (6000, 10080, ...) that a hub of ours may well listen on. */
export const everyPort: Transport = async (url, { method, headers, body, signal }) => {
  const answer = await request(url, { method, headers, body: body ?? null, signal });
  const pairs = Object.entries(answer.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  const status = answer.statusCode;
  return {
    status,
    ok: status >= 200 && status < 300,
    headers: new Headers(pairs),
    text: () => answer.body.text(),
    get body() {
      return Readable.toWeb(answer.body) as ReadableStream<Uint8Array>;
    },
  };
};

/**
 * Waits where the hub says that the application key has no request left now, as long as it says, and sends it again: what
 * asks for much is slow, and does not fail. No longer than the request's own time; then the refusal is the answer.
 */
export function patient(transport: Transport, clock: Clock): Transport {
  return async (url, request) => {
    for (;;) {
      const answer = await transport(url, request);
      // A limit of failed logins is 429 as well, and has no header: it is not for waiting.
      const isForNow = answer.status === 429 && answer.headers.has('ratelimit');
      const seconds = Number(answer.headers.get('retry-after') ?? undefined);
      if (!isForNow || !(seconds > 0)) return answer;
      const text = await answer.text();
      await clock.sleep(seconds * 1000, request.signal);
      if (request.signal.aborted) return { ...plain(answer), text: async () => text };
    }
  };
}

function plain({ ok, status, headers }: Awaited<ReturnType<Transport>>) {
  return { ok, status, headers };
}
