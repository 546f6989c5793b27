import { breachHeader } from './contract-guard.ts';

/** An answer of the hub. `body` is whatever JSON it held; hub.ts has had it held against the OpenAPI document. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests name the fields they look at, and the contract has checked them
  body: any;
}

export interface Sent {
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  text?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Speaks to a hub with one key. @throws Error where an answer breaks the contract. */
export class Client {
  readonly #url: string;
  readonly secret: string | undefined;

  constructor(url: string, secret: string | undefined) {
    this.#url = url;
    this.secret = secret;
  }

  async send(method: string, path: string, { body, text, headers = {}, signal }: Sent = {}): Promise<Answer> {
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(this.#url + path, {
      method,
      ...(signal ? { signal } : {}),
      ...(content === undefined ? {} : { body: content }),
      headers: {
        ...(this.secret === undefined ? {} : { authorization: `Bearer ${this.secret}` }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    const isStream = response.headers.get('content-type') === 'text/event-stream';
    const read = await (isStream ? firstOf(response.body!) : response.text());
    if (response.headers.has(breachHeader)) throw new Error(read);
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(read) : read,
    };
  }

  get = (path: string, sent?: Sent) => this.send('GET', path, sent);
  post = (path: string, body?: unknown, sent?: Sent) => this.send('POST', path, { body, ...sent });
  patch = (path: string, body?: unknown, sent?: Sent) => this.send('PATCH', path, { body, ...sent });
  delete = (path: string, sent?: Sent) => this.send('DELETE', path, sent);
}

/** A stream does not end: what comes first is enough. */
async function firstOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}
