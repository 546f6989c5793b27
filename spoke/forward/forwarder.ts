import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher } from 'undici';
import type { PreparedAgentKey, PreparedCluster } from '../prepared.ts';
import type { Reply } from '../replies.ts';
import { type FailedForward, type ForwardOutcome, failureOf, failureReplies } from './failures.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { upstreamPath } from './target.ts';

export interface ForwardSettings {
  connectTimeoutMs: number;
  /** From the end of the request to the upstream's response headers. */
  headersTimeoutMs: number;
  /** Silence in the middle of a body, in either direction. */
  idleTimeoutMs: number;
  /** Requests under way in all, and to one upstream (which is also its number of connections). */
  forwardsMax: number;
  upstreamConnectionsMax: number;
}

export interface Forward {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  key: PreparedAgentKey;
  cluster: PreparedCluster;
  /** As {@link readTarget} split it. */
  rest: string;
}

/**
 * Forwards requests to the upstreams of clusters, streaming both ways with back-pressure and changing no byte of
 * either body. docs/adr/0010-forwarding.md says why this is undici's `request` and not `fetch`.
 *
 * A forward is *sending* (the upstream has not answered: a failure is a problem document), *answering* (its headers
 * are on their way: a failure cuts the connection, so that nobody takes half a body for a whole one) or over.
 */
export class Forwarder implements AsyncDisposable {
  readonly #settings: ForwardSettings;
  readonly #agent: Agent;
  /** Forwards under way by origin; without those that have none. */
  readonly #underWay = new Map<string, number>();
  #count = 0;

  constructor(settings: ForwardSettings) {
    this.#settings = settings;
    this.#agent = new Agent({
      connect: { timeout: settings.connectTimeoutMs },
      headersTimeout: settings.headersTimeoutMs,
      bodyTimeout: settings.idleTimeoutMs,
      connections: settings.upstreamConnectionsMax,
      // A pipelined request waits for a stranger's; and an upstream speaks what its URL says.
      pipelining: 1,
      allowH2: false,
    });
  }

  get underWay(): number {
    return this.#count;
  }

  /** Sends the request on and its answer back. Resolves when both are over; never rejects. */
  async forward(forward: Forward): Promise<ForwardOutcome> {
    const { origin } = forward.cluster.upstream;
    const toOrigin = this.#underWay.get(origin) ?? 0;
    if (this.#count >= this.#settings.forwardsMax || toOrigin >= this.#settings.upstreamConnectionsMax) {
      return this.#fail(forward.outgoing, 'overloaded');
    }
    this.#count += 1;
    this.#underWay.set(origin, toOrigin + 1);
    try {
      return await this.#exchange(forward);
    } finally {
      this.#count -= 1;
      const left = this.#underWay.get(origin)! - 1;
      if (left > 0) this.#underWay.set(origin, left);
      else this.#underWay.delete(origin);
    }
  }

  async #exchange({ incoming, outgoing, key, cluster, rest }: Forward): Promise<ForwardOutcome> {
    const client = new AbortController();
    const clientClosed = () => {
      if (!outgoing.writableFinished) client.abort();
    };
    outgoing.on('close', clientClosed);
    if (outgoing.closed || outgoing.destroyed) client.abort();
    const { headersTimeoutMs, idleTimeoutMs } = this.#settings;
    // A client that neither sends nor takes anything; the upstream's own silence is noticed earlier.
    outgoing.setTimeout(headersTimeoutMs + idleTimeoutMs, () => outgoing.destroy());
    try {
      const { origin, basePath } = cluster.upstream;
      const response = await this.#agent.request({
        origin,
        path: upstreamPath(basePath, rest),
        method: incoming.method as Dispatcher.HttpMethod,
        headers: requestHeaders(incoming.rawHeaders, key, {
          remoteAddress: incoming.socket.remoteAddress ?? 'unknown',
          host: incoming.headers.host,
          protocol: 'http',
          httpVersion: incoming.httpVersion,
        }),
        body: hasBody(incoming) ? incoming : null,
        responseHeaders: 'raw',
        signal: client.signal,
      });
      // undici types raw headers as a record; with `responseHeaders: 'raw'` they are a list.
      const headers = responseHeaders(response.headers as unknown as string[]);
      outgoing.writeHead(response.statusCode, response.statusText, headers);
      outgoing.flushHeaders();
      await pipeline(response.body, outgoing);
      return 'forwarded';
    } catch (error) {
      if (client.signal.aborted) {
        outgoing.destroy();
        return 'client-aborted';
      }
      return this.#fail(outgoing, failureOf(error));
    } finally {
      outgoing.off('close', clientClosed);
    }
  }

  #fail(outgoing: ServerResponse, outcome: FailedForward): ForwardOutcome {
    if (outgoing.headersSent) outgoing.destroy();
    else writeReply(outgoing, failureReplies[outcome]);
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

/** Sends a whole answer over a node response. */
export function writeReply(outgoing: ServerResponse, reply: Reply): void {
  if (outgoing.destroyed || outgoing.headersSent) return;
  outgoing.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) });
  outgoing.end(reply.body);
}

/** RFC 9112 6.3: a request has a body exactly if it says how that is framed. */
function hasBody(incoming: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}
