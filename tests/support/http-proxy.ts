import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gate } from './gate.ts';

/** A request as the proxy received it, whole. */
export interface ProxyRequest {
  method: string;
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** DynamoDB's operation (`PutItem`) from `x-amz-target`; for everything else the method and path. */
  operation: string;
  /** The body as JSON; throws where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test expects there
  json(): any;
}

export interface ProxyAnswer {
  status: number;
  headers?: Record<string, string>;
  body: Buffer | string;
}

/** Sends the request (or another in its place) to the target and returns its answer. */
export type Forward = (
  request?: Partial<Pick<ProxyRequest, 'body' | 'path' | 'headers'>>,
) => Promise<ProxyAnswer>;

/** What to do with a request instead of passing it on. `'drop'` cuts the connection without an answer. */
export type Behaviour = (request: ProxyRequest, forward: Forward) => Promise<ProxyAnswer | 'drop'>;

export interface Which {
  /** The operation or operations concerned; absent for all. */
  operation?: string | readonly string[];
  where?: (request: ProxyRequest) => boolean;
  /** How many requests it happens to; absent for all, until `end`. */
  times?: number;
}

/** A behaviour in force. Ask `wasHit` at a test's end: a hazard that did not happen proves nothing. */
export interface Hazard {
  readonly hits: number;
  /** Of those, how many are over: answered, dropped, or delivered although nobody waits for the answer any more. */
  readonly finished: number;
  wasHit(): boolean;
  /** From now on requests pass again. */
  end(): void;
}

/**
 * A real HTTP server between a client and a target, both on the loopback interface: passes requests on one to
 * one, counts them by DynamoDB operation, and does to chosen ones what a network or a store may do.
 *
 *     await using proxy = await HttpProxy.start(dynalite.endpoint);
 *     const held = proxy.hold({ operation: 'PutItem', times: 1 });   // holds the bytes of the next put
 *     ...
 *     await held.gate.reached();                                     // it is under way, and nobody has it
 *     held.gate.open();                                              // delivered now, even if its sender gave up
 *
 * Of several behaviours that match, the one begun first acts.
 */
export class HttpProxy implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #target: URL;
  readonly #rules: Rule[] = [];
  readonly #counts = new Map<string, number>();
  readonly #requests: ProxyRequest[] = [];

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: string, options: { port?: number } = {}): Promise<HttpProxy> {
    let proxy: HttpProxy;
    const server = createServer((incoming, outgoing) => void proxy.#handle(incoming, outgoing));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    proxy = new HttpProxy(server, new URL(target));
    return proxy;
  }

  /** Requests received since the start or the last `reset`, of those operations or of all. */
  count(...operations: string[]): number {
    const names = operations.length > 0 ? operations : [...this.#counts.keys()];
    return names.reduce((sum, name) => sum + (this.#counts.get(name) ?? 0), 0);
  }

  /** The requests received since the start or the last `reset`, in order. The last 10,000. */
  get requests(): readonly ProxyRequest[] {
    return this.#requests;
  }

  /** Forgets what was counted; behaviours stay. */
  reset(): void {
    this.#counts.clear();
    this.#requests.length = 0;
  }

  /** Lets `behaviour` answer the requests that match. */
  use(which: Which, behaviour: Behaviour): Hazard {
    const rule: Rule = { which, behaviour, hits: 0, finished: 0 };
    this.#rules.push(rule);
    return {
      get hits() {
        return rule.hits;
      },
      get finished() {
        return rule.finished;
      },
      wasHit: () => rule.hits > 0,
      end: () => {
        const index = this.#rules.indexOf(rule);
        if (index >= 0) this.#rules.splice(index, 1);
      },
    };
  }

  /** Holds requests before the target sees them. They are delivered once the gate opens, come what may. */
  hold(which: Which): Hazard & { gate: Gate } {
    const gate = new Gate();
    const hazard = this.use(which, async (_request, forward) => {
      await gate.pass();
      return forward();
    });
    return Object.assign(hazard, { gate });
  }

  /** Cuts the connection; the target never sees the request. */
  drop(which: Which = {}): Hazard {
    return this.use(which, async () => 'drop');
  }

  /** The target does it, and the answer is lost. */
  loseAnswer(which: Which): Hazard {
    return this.use(which, async (_request, forward) => {
      await forward();
      return 'drop';
    });
  }

  /** Passes requests on after `ms`. */
  delay(which: Which, ms: number): Hazard {
    return this.use(which, async (_request, forward) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return forward();
    });
  }

  /** Answers with an error of DynamoDB, by its name, such as `ProvisionedThroughputExceededException`. */
  fail(which: Which, name: string, status = 400): Hazard {
    const body = JSON.stringify({
      __type: `com.amazonaws.dynamodb.v20120810#${name}`,
      message: 'as the test wants',
    });
    return this.use(which, async () => ({
      status,
      headers: { 'content-type': 'application/x-amz-json-1.0' },
      body,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    outgoing.on('error', () => undefined);
    let request: ProxyRequest;
    try {
      request = await readRequest(incoming);
    } catch {
      return; // the client left before it had sent everything
    }
    this.#counts.set(request.operation, (this.#counts.get(request.operation) ?? 0) + 1);
    this.#requests.push(request);
    if (this.#requests.length > 10_000) this.#requests.shift();
    const answer = await this.#answer(request).catch(() => 'drop' as const);
    if (answer === 'drop') {
      outgoing.socket?.destroy();
      return;
    }
    const body = Buffer.from(answer.body);
    outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
    outgoing.end(body);
  }

  #answer(request: ProxyRequest): Promise<ProxyAnswer | 'drop'> {
    const forward: Forward = (changes = {}) => this.#forward({ ...request, ...changes });
    for (const rule of this.#rules) {
      if (!matches(rule.which, request) || rule.hits >= (rule.which.times ?? Number.POSITIVE_INFINITY))
        continue;
      rule.hits += 1;
      return rule.behaviour(request, forward).finally(() => {
        rule.finished += 1;
      });
    }
    return forward();
  }

  #forward(request: Pick<ProxyRequest, 'method' | 'path' | 'headers' | 'body'>): Promise<ProxyAnswer> {
    const { hostname, port } = this.#target;
    const { method, path } = request;
    const headers = { ...request.headers, 'content-length': String(request.body.length) };
    for (const name of hopByHop) delete (headers as Record<string, unknown>)[name];
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (answer) => {
        readAll(answer).then((body) => {
          const kept = Object.entries(answer.headers).filter(([name]) => !dropped.has(name));
          resolve({
            status: answer.statusCode ?? 502,
            headers: Object.fromEntries(kept) as Record<string, string>,
            body,
          });
        }, reject);
      });
      outgoing.on('error', reject);
      outgoing.end(request.body);
    });
  }
}

interface Rule {
  which: Which;
  behaviour: Behaviour;
  hits: number;
  finished: number;
}

const hopByHop = ['connection', 'keep-alive', 'transfer-encoding', 'expect', 'upgrade'];
/** Of an answer: what does not hold for the next hop, or for a body that the test changed. */
const dropped = new Set([...hopByHop, 'content-length', 'x-amz-crc32']);

function matches(which: Which, request: ProxyRequest): boolean {
  const { operation, where } = which;
  const named = operation === undefined || [operation].flat().includes(request.operation);
  return named && (where === undefined || where(request));
}

async function readRequest(incoming: IncomingMessage): Promise<ProxyRequest> {
  const { method = 'GET', url: path = '/', headers } = incoming;
  const body = await readAll(incoming);
  const target = headers['x-amz-target'];
  const operation = typeof target === 'string' ? (target.split('.')[1] ?? target) : `${method} ${path}`;
  return { method, path, headers, body, operation, json: () => JSON.parse(body.toString()) };
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
