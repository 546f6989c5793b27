import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Agent, type Dispatcher, errors } from 'undici';
import type { Clock } from '../base/clock.ts';
import type { Item } from './dynamodb-table.ts';

/** How long what the SDK found out (endpoint, credentials) is used before it is asked again. */
const learntForMs = 60_000;
/** How long one signature is used for the same words. Services accept one for five minutes. */
const signedForMs = 5_000;
/** How long the SDK is asked after the short way failed: a store that is in trouble is not to be asked twice a poll. */
const restMs = 5_000;
/** Polls are seldom under way two at a time: only where one hangs and was given up. */
const connectionsMax = 4;

/**
 * A short way for queries that are sent many times a second, mostly to hear that nothing is new.
 *
 * The SDK builds every request anew, in some forty steps. This watches it build one, and from then on sends the same
 * request with other words in it, signed by the SDK's own signer, or the same words as they were signed. It knows no
 * retries, no faults and no endpoints. Whatever does not end in a plain answer is asked once more of the SDK, which
 * does, and so are the polls of the next seconds; and one a minute, which shows whether endpoint or credentials have
 * changed.
 */
export class PollingShortcut {
  readonly #agent: Agent;
  readonly #clock: Clock;
  #learnt: { request: SdkRequest; sign: Sign; atMs: number } | undefined;
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  #signed: { body: string; request: SdkRequest; atMs: number } | undefined;

  constructor(
    client: DynamoDBClient,
    options: { clock: Clock; requestTimeoutMs: number; connectionTimeoutMs: number },
  ) {
    const { clock, requestTimeoutMs, connectionTimeoutMs } = options;
    this.#clock = clock;
    this.#agent = new Agent({
      connect: { timeout: connectionTimeoutMs },
      headersTimeout: requestTimeoutMs,
      bodyTimeout: requestTimeoutMs,
      connections: connectionsMax,
      pipelining: 1, // behind a poll that hangs none should wait
      allowH2: false,
    });
    const stack = client.middlewareStack as unknown as Watchable;
    const watch: Watcher = (next, context) => (args) => {
      this.#learn(args.request, context);
      return next(args);
    };
    stack.addRelativeTo(watch, {
      relation: 'before',
      toMiddleware: 'httpSigningMiddleware',
      name: 'pollingShortcut',
    });
  }

  /**
   * The answer to a query of those words; undefined where the SDK has to be asked.
   * Rejects where the time is over: the SDK would have no more luck, and its attempts would come on top.
   */
  async query(body: string): Promise<PolledPage | undefined> {
    try {
      const request = await this.#prepare(body);
      if (request === undefined) return undefined;
      const answer = await this.#send(request, body);
      if (answer !== undefined) return JSON.parse(answer) as PolledPage;
    } catch (error) {
      if (isTimeout(error) || this.#agent.destroyed) throw error;
    }
    this.#restsUntilMs = this.#clock.monotonic() + restMs;
    return undefined;
  }

  #learn(request: SdkRequest, context: SdkContext): void {
    const { commandName, __smithy_context: { selectedHttpAuthScheme: scheme } = {} } = context;
    if (commandName !== 'QueryCommand' || scheme === undefined) return;
    const { signer, identity, httpAuthOption } = scheme;
    // Of the SDK's own attempts; nothing of the protocol.
    const { 'amz-sdk-invocation-id': _id, 'amz-sdk-request': _attempt, ...headers } = request.headers;
    const { method, protocol, hostname, port, path, query } = request;
    this.#signed = undefined;
    this.#learnt = {
      request: { method, protocol, hostname, path, query, headers, ...(port === undefined ? {} : { port }) },
      sign: (unsigned) => signer.sign(unsigned, identity, httpAuthOption.signingProperties ?? {}),
      atMs: this.#clock.monotonic(),
    };
  }

  async #prepare(body: string): Promise<SdkRequest | undefined> {
    const nowMs = this.#clock.monotonic();
    const learnt = this.#learnt;
    if (learnt === undefined || nowMs - learnt.atMs > learntForMs || nowMs < this.#restsUntilMs)
      return undefined;
    const signed = this.#signed;
    if (signed?.body === body && nowMs - signed.atMs < signedForMs) return signed.request;
    const headers = { ...learnt.request.headers, 'content-length': String(Buffer.byteLength(body)) };
    const request = await learnt.sign({ ...learnt.request, headers, body });
    this.#signed = { body, request, atMs: nowMs };
    return request;
  }

  /** The answer's body; undefined where it is not a 200. */
  #send(request: SdkRequest, body: string): Promise<string | undefined> {
    const { protocol, hostname, port, path, headers } = request;
    const origin = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;
    return new Promise((resolve, reject) => {
      this.#agent.dispatch({ origin, path, method: 'POST', headers, body }, new Answer(resolve, reject));
    });
  }

  [Symbol.dispose](): void {
    void this.#agent.destroy();
  }
}

/** Collects one answer. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #resolve: (body: string | undefined) => void;
  readonly #reject: (error: Error) => void;
  readonly #pieces: Buffer[] = [];
  #status = 0;

  constructor(resolve: (body: string | undefined) => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(): void {}

  onResponseStart(_controller: unknown, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: unknown, piece: Buffer): void {
    this.#pieces.push(piece);
  }

  onResponseEnd(): void {
    this.#resolve(this.#status === 200 ? Buffer.concat(this.#pieces).toString() : undefined);
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#reject(error);
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  );
}

/** A request as the SDK builds it, before it is signed or after. Said otherwise by as many types as it has versions. */
interface SdkRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query: object;
  headers: Record<string, string>;
  body?: unknown;
}

/** What is looked at of an answer. */
interface PolledPage {
  Items?: Item[];
  LastEvaluatedKey?: Item;
}

type Sign = (request: SdkRequest) => Promise<SdkRequest>;

interface Watchable {
  addRelativeTo(watcher: Watcher, options: { relation: 'before'; toMiddleware: string; name: string }): void;
}

type Watcher = (next: Handler, context: SdkContext) => Handler;
type Handler = (args: { request: SdkRequest }) => unknown;

/** Where the SDK notes what it will sign with. */
interface SdkContext {
  commandName?: string;
  __smithy_context?: {
    selectedHttpAuthScheme?: {
      signer: { sign(request: SdkRequest, identity: unknown, properties: object): Promise<SdkRequest> };
      identity: unknown;
      httpAuthOption: { signingProperties?: object };
    };
  };
}
