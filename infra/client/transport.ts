import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { request } from 'undici';
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
