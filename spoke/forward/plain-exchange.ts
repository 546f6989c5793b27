import { Agent, type Dispatcher, errors } from 'undici';
import { type Attempt, beginAnswer, type Cancellable, type ExchangeTimes, inform } from './attempt.ts';
import type { Dialling } from './dialling.ts';
import { trailers } from './headers.ts';

/** Beyond it node does not write text any faster than bytes. */
const textBytesMax = 8 * 1024;

/** Connections for {@link exchangePlainly}: kept alive, and one request at a time on each. */
export class PlainAgent {
  readonly #http: Agent;
  readonly #https: Agent;

  constructor(times: ExchangeTimes, dialling: Dialling, connectionsMax: number) {
    const options = {
      connect: dialling.connector(times.connectTimeoutMs),
      headersTimeout: times.headersTimeoutMs,
      bodyTimeout: times.idleTimeoutMs,
      connections: connectionsMax,
      pipelining: 1, // a pipelined request waits for a stranger's
    };
    this.#http = new Agent(options);
    // Only TLS can agree on HTTP/2, and to say so makes undici write a name for the origin at each request.
    this.#https = new Agent({ ...options, allowH2: false });
  }

  of(origin: string): Agent {
    return origin.startsWith('https:') ? this.#https : this.#http;
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#http.destroy(), this.#https.destroy()]);
  }
}

/**
 * The exchange of nearly every request, with undici. What it cannot do (upgrades, trailers of a request) is in
 * special-exchange.ts. `settled` is called once: with nothing when the client has the answer, else with undici's or the
 * socket's error; `failureOf` tells what it means.
 */
export function exchangePlainly(
  agent: PlainAgent,
  attempt: Attempt,
  settled: (error?: unknown) => void,
): void {
  const exchange = new PlainExchange(attempt, settled);
  attempt.ending.listen(exchange);
  if (attempt.ending.ended) return;
  const { origin } = attempt.upstream;
  agent.of(origin).dispatch(
    {
      origin,
      path: attempt.path,
      method: attempt.incoming.method as Dispatcher.HttpMethod,
      headers: attempt.headers as string[],
      // Any async iterable will do; the types do not say so.
      body: attempt.body?.whole ?? (attempt.body as unknown as Dispatcher.DispatchOptions['body']) ?? null,
    },
    exchange,
  );
}

/**
 * What undici tells of one exchange, written straight to the client: no stream is between the two.
 *
 * An exchange is *asking*; then, within the tick in which the answer's headers came, *fresh*; then *streaming*; then
 * *ended* (all of the answer was handed to the client's connection); and *over* once it was told what came of it.
 * Small answers come with their headers and end in the same tick, so what is fresh is held back until that tick is
 * over: headers, body and end then leave in one write.
 *
 * Back-pressure: as long as the client's connection takes no more, undici reads no more.
 */
class PlainExchange implements Dispatcher.DispatchHandler, Cancellable {
  readonly #attempt: Attempt;
  readonly #settled: (error?: unknown) => void;
  #state: 'asking' | 'fresh' | 'streaming' | 'ended' | 'over' = 'asking';
  #controller: Dispatcher.DispatchController | undefined;
  /** The first piece of a fresh answer's body. */
  #held: Buffer | undefined;

  constructor(attempt: Attempt, settled: (error?: unknown) => void) {
    this.#attempt = attempt;
    this.#settled = settled;
  }

  cancel(): void {
    this.#fail(new errors.RequestAbortedError());
  }

  finished(): void {
    if (this.#state !== 'ended') return;
    this.#state = 'over';
    this.#settled();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#state === 'over') controller.abort(new errors.RequestAbortedError()); // while it was connecting
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText = '',
  ): void {
    if (this.#state !== 'asking') return;
    const raw = rawList(controller.rawHeaders);
    if (status < 200) {
      inform(this.#attempt.outgoing, status, raw);
      return;
    }
    beginAnswer(this.#attempt, status, statusText, raw);
    this.#state = 'fresh';
    process.nextTick(release, this);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state === 'fresh' && this.#held === undefined) {
      this.#held = chunk;
      return;
    }
    this.release();
    if (this.#state === 'streaming') this.#write(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { outgoing } = this.#attempt;
    if (this.#state === 'over') return;
    // Without chunks there is no place for trailers.
    const raw = controller.rawTrailers as readonly Buffer[] | undefined;
    if (raw !== undefined && raw.length > 0 && outgoing.chunkedEncoding)
      outgoing.addTrailers(trailers(rawList(raw)));
    const held = this.#held;
    this.#held = undefined;
    this.#state = 'ended';
    if (held === undefined) outgoing.end();
    // As text it goes into one piece with the headers, for which node has a shorter way to the kernel.
    else if (held.length <= textBytesMax && !outgoing.chunkedEncoding)
      outgoing.end(held.toString('latin1'), 'latin1');
    else outgoing.end(held);
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(error);
  }

  /** Ends being fresh: what was held leaves now. */
  release(): void {
    if (this.#state !== 'fresh') return;
    this.#state = 'streaming';
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) this.#attempt.outgoing.flushHeaders();
    else this.#write(this.#controller!, held);
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { outgoing } = this.#attempt;
    if (outgoing.destroyed || outgoing.write(chunk) || controller.paused) return;
    controller.pause();
    outgoing.once('drain', () => controller.resume());
  }

  #fail(error: Error): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#held = undefined;
    this.#controller?.abort(error); // which does nothing to a request that is over
    this.#settled(error);
  }
}

function release(exchange: PlainExchange): void {
  exchange.release();
}

/** undici types raw headers as several things; of HTTP/1 they are a list of names and values by turns. */
function rawList(headers: unknown): string[] {
  const list = headers as readonly (Buffer | string)[];
  const raw = new Array<string>(list.length);
  for (let at = 0; at < list.length; at++) {
    const part = list[at]!;
    raw[at] = typeof part === 'string' ? part : part.toString('latin1');
  }
  return raw;
}
