import { type FollowedEvent, followEvents } from './event-stream.ts';
import type { Operations } from './generated/hub-api.ts';
import { operations } from './generated/operations.ts';

export { EventsEnded, type FollowedEvent } from './event-stream.ts';
export type * from './generated/hub-api.ts';
export { operations };

/**
 * The TypeScript client of the hub's API. It stands alone, on `fetch`: nothing else of Spokecast's is needed to
 * compile or to run it. Types and paths are generated from the OpenAPI document.
 *
 * ```ts
 * const hub = new HubApi({ url: 'https://hub.example', applicationKey });
 * const cluster = await hub.call('getCluster', { path: { id } });
 * for await (const key of hub.items('listAgentKeys', { query: { clusterId: cluster.id } })) revoke(key);
 * for await (const event of hub.events()) console.log(event.event, event.data);
 * ```
 */
export class HubApi {
  readonly url: string;
  readonly #applicationKey: string;
  readonly #timeoutMs: number;
  readonly #transport: Transport;

  constructor(options: HubApiOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#applicationKey = options.applicationKey;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#transport = options.transport ?? fetch;
  }

  /**
   * Sends one operation and returns what it answered.
   * @throws HubProblem where the hub refuses, HubUnreachable where it does not answer.
   */
  async call<Id extends OperationId>(id: Id, ...input: InputOf<Id>): Promise<Operations[Id]['answer']> {
    return (await this.send(id, ...input)).body;
  }

  /** As `call`, with what the answer's headers carry. */
  async send<Id extends OperationId>(
    id: Id,
    ...[input]: InputOf<Id>
  ): Promise<Answer<Operations[Id]['answer']>> {
    const { method, path } = operations[id];
    return this.request(method, filled(path, input?.path ?? {}) + queryText(input?.query ?? {}), input);
  }

  /** Every item of a list, page after page; a page is asked for when the one before has been used up. */
  async *items<Id extends ListId>(
    id: Id,
    ...[input]: InputOf<Id>
  ): AsyncGenerator<ItemOf<Id>, void, undefined> {
    let cursor: string | undefined;
    do {
      const query = { ...input?.query, ...(cursor === undefined ? {} : { cursor }) };
      const page = (await this.call(id, ...([{ ...input, query }] as unknown as InputOf<Id>))) as Page<
        ItemOf<Id>
      >;
      if (!Array.isArray(page?.items))
        throw new HubUnreachable(this.url, new Error('what answers there is no hub: it gives no list'));
      yield* page.items;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /**
   * What happens from now on, or after the event `since`, for as long as the loop over it runs. A connection that
   * breaks is opened again where it broke off, so that no event is missed or told twice.
   * @throws HubProblem, HubUnreachable where the first connection fails, or the hub refuses to go on (`EVENTS_EXPIRED`);
   * EventsEnded where it has ended the stream for good.
   */
  events(options: EventsOptions = {}): AsyncGenerator<FollowedEvent, void, undefined> {
    const { since, signal, onPosition = () => {} } = options;
    return followEvents({
      ...{ lastEventId: undefined, signal, onPosition },
      isPassing: (error) => !(error instanceof HubProblem) || error.status === 429 || error.status >= 500,
      open: async (lastEventId, whole) => {
        const request = 'GET /v1/events';
        const query = queryText({ since: lastEventId === undefined ? since : undefined });
        try {
          const response = await this.#transport(`${this.url}/v1/events${query}`, {
            method: 'GET',
            redirect: 'error',
            headers: {
              authorization: `Bearer ${this.#applicationKey}`,
              ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
            },
            signal: whole,
          });
          if (!response.ok) throw problemOf(response, await response.text(), request);
          if (!response.body) throw new Error('the transport gives no body to read as it comes');
          return { body: response.body };
        } catch (error) {
          if (error instanceof HubProblem) throw error;
          throw new HubUnreachable(this.url, error);
        }
      },
    });
  }

  /** What `send` does, for a path that stands already: for programs that choose the operation as they run. */
  async request<Body>(method: string, path: string, parts: RequestParts = {}): Promise<Answer<Body>> {
    const { body, headers = {}, signal, timeoutMs = this.#timeoutMs } = parts;
    const timeout = AbortSignal.timeout(timeoutMs);
    const given = Object.entries(headers).filter(([, value]) => value !== undefined) as [string, string][];
    let response: Awaited<ReturnType<Transport>>;
    let text: string;
    try {
      response = await this.#transport(`${this.url}${path}`, {
        method,
        redirect: 'error', // a key is for this hub, not for where it may point
        headers: {
          ...Object.fromEntries(given),
          authorization: `Bearer ${this.#applicationKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new HubUnreachable(this.url, error);
    }
    if (!response.ok) throw problemOf(response, text, `${method} ${path}`);
    return {
      body: bodyOf<Body>(text, this.url),
      status: response.status,
      fence: response.headers.get('spokecast-fence'),
      propagation: response.headers.get('spokecast-propagation') as Answer<Body>['propagation'],
      etag: response.headers.get('etag'),
      isReplay: response.headers.get('idempotency-replayed') === 'true',
      requestId: response.headers.get('spokecast-request-id'),
      atMs: Date.parse(response.headers.get('date') ?? ''),
    };
  }
}

export interface EventsOptions {
  /** The id of an event, or `oldest`; default: from now on. */
  since?: string | undefined;
  signal?: AbortSignal;
  /** Told where to go on from, as events and heartbeats come: to be kept, and given as `since` another time. */
  onPosition?: (id: string) => void;
}

export interface HubApiOptions {
  /** Where the hub answers. */
  url: string;
  applicationKey: string;
  /** Most time for one request, its answer read. Default 30,000. */
  timeoutMs?: number;
  /** Default: the global `fetch`, which refuses some ports (6000, 10080, ...). */
  transport?: Transport;
}

/** As much of `fetch` as this needs. */
export type Transport = (
  url: string,
  request: {
    method: string;
    headers: Record<string, string>;
    body?: string;
    signal: AbortSignal;
    redirect: 'error';
  },
) => Promise<Pick<Response, 'ok' | 'status' | 'headers' | 'text'> & Partial<Pick<Response, 'body'>>>;

export interface RequestParts {
  body?: unknown;
  headers?: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
  /** Instead of the client's: where the hub is asked to take its time before it answers. */
  timeoutMs?: number | undefined;
}

export interface Answer<Body> {
  body: Body;
  status: number;
  /** The id of the change, for `getFence`; null for what changes nothing. */
  fence: string | null;
  /** With `wait`: whether the change is everywhere. */
  propagation: 'complete' | 'incomplete' | null;
  /** For `if-match`. */
  etag: string | null;
  /** The answer of an earlier request with the same `idempotency-key`. */
  isReplay: boolean;
  requestId: string | null;
  /** When the hub answered, by its own clock, to the second; NaN where it does not say. */
  atMs: number;
}

/** The hub refused, and says why: a problem document of RFC 9457. */
export class HubProblem extends Error {
  override name = 'HubProblem';
  readonly status: number;
  /** Stable, for programs; the status as text where what answered was no hub. */
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly { pointer: string; detail: string }[];
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | undefined;

  constructor(request: string, parts: Omit<HubProblem, keyof Error>) {
    super(`${parts.code}: ${parts.detail} (${request})`);
    this.status = parts.status;
    this.code = parts.code;
    this.detail = parts.detail;
    this.errors = parts.errors;
    this.requestId = parts.requestId;
    this.retryAfterSeconds = parts.retryAfterSeconds;
  }
}

/** Nothing answered, or not in time. Whether a change was made is unknown. */
export class HubUnreachable extends Error {
  override name = 'HubUnreachable';

  constructor(url: string, cause: unknown) {
    super(`the hub at ${url} does not answer (${reasonOf(cause)})`, { cause });
  }
}

export type OperationId = keyof Operations;

/** `{}` may stand for the parts of which nothing is required. */
type Part<Name extends string, Value> =
  Record<never, never> extends Value ? { [key in Name]?: Value } : { [key in Name]: Value };
type Given<Operation extends Operations[OperationId]> = Part<'path', Operation['path']> &
  Part<'query', Operation['query']> &
  Part<'headers', Operation['headers']> &
  (undefined extends Operation['body'] ? { body?: Operation['body'] } : { body: Operation['body'] }) & {
    signal?: AbortSignal;
  };
/** The argument of an operation, which may be left out where nothing in it is required. */
export type InputOf<Id extends OperationId> =
  Record<never, never> extends Given<Operations[Id]>
    ? [input?: Given<Operations[Id]>]
    : [input: Given<Operations[Id]>];

interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}
/** The operations that answer with a page. */
export type ListId = {
  [Id in OperationId]: Operations[Id]['answer'] extends Page<unknown> ? Id : never;
}[OperationId];
export type ItemOf<Id extends ListId> = Operations[Id]['answer'] extends Page<infer Item> ? Item : never;

/** The path with its parameters in their places. @throws Error naming one that is missing, or is none. */
export function filled(path: string, parameters: object): string {
  const given = parameters as Record<string, unknown>;
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = given[name];
    if (value === undefined || value === '') throw new Error(`${path} needs ${name}`);
    const step = encodeURIComponent(String(value));
    // Dots are not escaped, and would lead to another path: `/v1/regions/../freeze` freezes every region.
    if (step === '.' || step === '..') throw new Error(`${path}: ${name} cannot be ${step}`);
    return step;
  });
}

/** `?name=value&...`, or nothing. */
export function queryText(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const pairs = given.map(([name, value]): [string, string] => [name, String(value)]);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

function bodyOf<Body>(text: string, url: string): Body {
  if (text === '') return undefined as Body;
  try {
    return JSON.parse(text) as Body;
  } catch {
    throw new HubUnreachable(url, new Error(`what answers there is no hub: ${text.slice(0, 200)}`));
  }
}

function problemOf(
  response: Pick<Response, 'status' | 'headers'>,
  text: string,
  request: string,
): HubProblem {
  let problem: Partial<HubProblem> & { title?: string } = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // Not the hub's own words: a proxy's.
  }
  const retryAfter = Number(response.headers.get('retry-after') ?? undefined);
  return new HubProblem(request, {
    status: response.status,
    code: problem.code ?? String(response.status),
    detail: problem.detail ?? problem.title ?? text.slice(0, 200),
    errors: problem.errors ?? [],
    requestId: response.headers.get('spokecast-request-id'),
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  });
}

/** `fetch` says "fetch failed" and keeps the reason, or several, inside. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  if (error.cause) return reasonOf(error.cause);
  return error.message || error.name;
}
