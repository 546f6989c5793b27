import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { PreparedAgentKey, PreparedCluster, Upstream } from '../prepared.ts';
import { type Reply, writeReply } from '../replies.ts';
import { Ending } from './attempt.ts';
import { Bag } from './bag.ts';
import { Dialling, UpstreamDeniedError } from './dialling.ts';
import { type FailedForward, type ForwardOutcome, failureOf, failureReplies, mayRetry } from './failures.ts';
import { requestHeaders } from './headers.ts';
import { HopReader } from './hop.ts';
import { createPlainAgent, exchangePlainly, type PlainAgent } from './plain-exchange.ts';
import { bodyOf, type RequestBody } from './request-body.ts';
import type { ForwardSettings } from './settings.ts';
import { exchangeSpecially, isSpecial, SpecialAgent } from './special-exchange.ts';
import { upstreamPath } from './target.ts';
import { runTunnel } from './tunnel.ts';
import { Upstreams } from './upstreams.ts';

export interface ForwardEvents {
  /** An upstream is left alone from now on, after this failure. */
  upstreamOut(origin: string, failure: FailedForward): void;
  retried(failure: FailedForward): void;
  /** A request was not sent to an upstream, because of where that is. */
  upstreamDenied(denied: UpstreamDeniedError, key: PreparedAgentKey): void;
}

export interface Forward {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  key: PreparedAgentKey;
  /** Of the secret that was shown. */
  verifier: string;
  /** The `authorization` that the secret was read from, if it was: it goes no further. */
  shown?: string | undefined;
  /** What the answer says beside what the upstream says, as names and values by turns. */
  answerHeaders?: readonly string[];
  cluster: PreparedCluster;
  /** As {@link readTarget} split it. */
  rest: string;
  /** An upstream is asked now: the first, or after one that failed. */
  onSent?: ((origin: string) => void) | undefined;
  /** Set for requests that ask for a tunnel: what the client has already sent on it. */
  tunnelHead?: Buffer | undefined;
}

/** A forward under way. */
interface Ongoing {
  readonly forward: Forward;
  readonly body: RequestBody | undefined;
  /** Ended when the client has gone, or when the permission has. */
  readonly ending: Ending;
  /** What the client is told whose permission has gone. */
  withdrawn: Reply | undefined;
  /** What is new was decided about just now. */
  isNew: boolean;
  /** Bytes that the client's connection has carried both ways, and since when it was no more. */
  carriedBytes: number;
  carriedAt: number;
  /** In the {@link Bag} of all. */
  place: number;
}

/**
 * Forwards requests to the upstreams of clusters, streaming both ways with back-pressure and changing no byte of
 * either body. docs/adr/0010-forwarding.md says how, docs/adr/0017-upstreams.md to which.
 *
 * A forward is *sending* (no upstream has answered: a failure may be tried elsewhere, else it is a problem
 * document), *answering* (the headers are on their way: a failure cuts the connection, so that nobody takes half a
 * body for a whole one), *tunnelling* (the connection was upgraded), or over. In all of them it ends when the
 * client goes away, and when {@link review} finds that its key is refused by now.
 */
export class Forwarder implements AsyncDisposable {
  readonly #settings: ForwardSettings;
  readonly #clock: Clock;
  readonly #events: ForwardEvents;
  readonly #plain: PlainAgent;
  readonly #special: SpecialAgent;
  readonly #upstreams: Upstreams;
  readonly #hops: HopReader;
  readonly #ongoing = new Bag<Ongoing>();
  #tunnels = 0;

  constructor(settings: ForwardSettings, parts: { clock: Clock; random: Random; events: ForwardEvents }) {
    const { upstreamConnectionsMax: connectionsMax, tunnelsMax } = settings;
    const { upstreamFailuresMax: failuresMax, upstreamOutMs: outMs, trustedProxies } = settings;
    this.#settings = settings;
    this.#clock = parts.clock;
    this.#events = parts.events;
    const dialling = new Dialling(settings.upstreamNetworks);
    this.#plain = createPlainAgent(settings, dialling, connectionsMax);
    this.#special = new SpecialAgent(settings, dialling, parts.clock, connectionsMax + tunnelsMax);
    this.#upstreams = new Upstreams({ failuresMax, outMs, connectionsMax }, parts);
    this.#hops = new HopReader(trustedProxies);
  }

  /** Requests under way, without the tunnels. */
  get underWay(): number {
    return this.#ongoing.size - this.#tunnels;
  }

  get tunnels(): number {
    return this.#tunnels;
  }

  get upstreamsOut(): number {
    return this.#upstreams.out;
  }

  /** Sends the request on and its answer back. Resolves when both are over; never rejects. */
  async forward(forward: Forward): Promise<ForwardOutcome> {
    const { forwardsMax, tunnelsMax } = this.#settings;
    const tunnel = forward.tunnelHead !== undefined;
    if (tunnel ? this.#tunnels >= tunnelsMax : this.underWay >= forwardsMax)
      return this.#fail(forward, 'overloaded');
    const { incoming, outgoing } = forward;
    const body = tunnel ? undefined : bodyOf(incoming);
    const ending = new Ending();
    const ongoing: Ongoing = {
      forward,
      body,
      ending,
      withdrawn: undefined,
      isNew: true,
      carriedBytes: -1,
      carriedAt: 0,
      place: 0,
    };
    this.#ongoing.add(ongoing);
    if (tunnel) this.#tunnels += 1;
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) ending.end();
    });
    if (outgoing.closed || outgoing.destroyed) ending.end();
    try {
      return await this.#attempts(ongoing);
    } finally {
      this.#ongoing.delete(ongoing);
      if (tunnel) this.#tunnels -= 1;
    }
  }

  /**
   * Ends what is under way for those who are refused by now. `refusalOf` gives the answer for them; undefined where
   * somebody is still let in, or where that cannot be told. And ends what a client keeps open who neither sends nor
   * takes anything. (A timer of each request's own would cost every request for the few that last.)
   */
  review(refusalOf: (forward: Forward) => Reply | undefined): void {
    const now = this.#clock.monotonic();
    for (const ongoing of this.#ongoing.all()) {
      this.#cutSilent(ongoing, now);
      if (ongoing.isNew) {
        ongoing.isNew = false;
        continue;
      }
      const refusal = refusalOf(ongoing.forward);
      if (refusal === undefined) continue;
      ongoing.withdrawn = refusal;
      ongoing.ending.end();
    }
  }

  /** The upstream's own silence is noticed earlier, and that of a tunnel by itself. */
  #cutSilent(ongoing: Ongoing, now: number): void {
    const { outgoing, tunnelHead } = ongoing.forward;
    const { socket } = outgoing;
    if (tunnelHead !== undefined || socket === null) return;
    const carriedBytes = socket.bytesRead + socket.bytesWritten;
    const { headersTimeoutMs, idleTimeoutMs } = this.#settings;
    if (carriedBytes !== ongoing.carriedBytes) {
      ongoing.carriedBytes = carriedBytes;
      ongoing.carriedAt = now;
    } else if (now - ongoing.carriedAt >= headersTimeoutMs + idleTimeoutMs) outgoing.destroy();
  }

  async #attempts(ongoing: Ongoing): Promise<ForwardOutcome> {
    const { forward, body } = ongoing;
    const { upstreams } = forward.cluster;
    if (body?.isSmall && !isSpecial(forward.incoming)) {
      await body.gather(ongoing.ending);
      if (ongoing.ending.ended) return this.#ended(ongoing);
    }
    let tried: Set<Upstream> | undefined;
    let failure: FailedForward | undefined;
    for (let attempts = 1; ; attempts++) {
      const upstream = this.#upstreams.choose(upstreams, tried);
      if (upstream === undefined) return this.#fail(forward, failure ?? 'overloaded');
      const outcome = await this.#attempt(ongoing, upstream);
      switch (outcome) {
        case 'forwarded':
        case 'tunnelled':
        case 'client-aborted':
        case 'withdrawn':
          return outcome;
      }
      failure = outcome;
      const { method } = forward.incoming;
      const unsent = !forward.outgoing.headersSent && (body === undefined || body.isSendable);
      if (!unsent || attempts >= this.#settings.attemptsMax || !mayRetry(outcome, method))
        return this.#fail(forward, outcome);
      // A connection that was kept alive may have ended just then: that says nothing against the only upstream.
      if (outcome !== 'broken' || upstreams.length > 1 || attempts > 1) {
        tried ??= new Set();
        tried.add(upstream);
      }
      this.#events.retried(outcome);
    }
  }

  async #attempt(ongoing: Ongoing, upstream: Upstream): Promise<ForwardOutcome> {
    const { forward, body, ending } = ongoing;
    const { incoming, outgoing, key, rest, tunnelHead } = forward;
    const attempt = {
      ...{ incoming, outgoing, upstream, body, answerHeaders: forward.answerHeaders ?? [] },
      path: upstreamPath(upstream.basePath, rest),
      headers: requestHeaders(incoming.rawHeaders, key, this.#hops.read(incoming), forward.shown),
      ending,
      answered: () => this.#upstreams.answered(upstream),
    };
    forward.onSent?.(upstream.origin);
    const done = this.#upstreams.begin(upstream);
    try {
      if (tunnelHead !== undefined) {
        const opened = await exchangeSpecially(this.#special, attempt, 'upgrade');
        if (opened === undefined) return 'forwarded';
        attempt.answered();
        done(); // a tunnel is no request under way
        await runTunnel(outgoing, tunnelHead, opened, {
          idleTimeoutMs: this.#settings.tunnelIdleTimeoutMs,
          ending,
          answerHeaders: attempt.answerHeaders,
        });
        return ongoing.withdrawn ? 'withdrawn' : 'tunnelled';
      }
      if (isSpecial(incoming)) await exchangeSpecially(this.#special, attempt, 'with-trailers');
      else await exchangePlainly(this.#plain, attempt);
      return 'forwarded';
    } catch (error) {
      if (ending.ended) return this.#ended(ongoing);
      // Where the upstream is, is no failure of its own: it is not left alone for it, however many ask.
      if (error instanceof UpstreamDeniedError) {
        this.#events.upstreamDenied(error, key);
        return 'denied';
      }
      const failure = failureOf(error);
      if (failure !== 'refused' && this.#upstreams.failed(upstream) === 'put-out')
        this.#events.upstreamOut(upstream.origin, failure);
      return failure;
    } finally {
      done();
    }
  }

  #ended({ forward, withdrawn }: Ongoing): ForwardOutcome {
    const { outgoing } = forward;
    if (withdrawn === undefined || outgoing.destroyed) {
      outgoing.destroy();
      return 'client-aborted';
    }
    answerInstead(forward, withdrawn);
    return 'withdrawn';
  }

  #fail(forward: Forward, outcome: FailedForward): ForwardOutcome {
    answerInstead(forward, failureReplies[outcome]);
    return outcome;
  }

  /** Ends everything under way, tunnels too. */
  cutAll(): void {
    for (const { ending } of this.#ongoing.all()) ending.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll();
    this.#special.destroy();
    await this.#plain.destroy();
  }
}

/** Answers, or cuts the answer that has begun. */
function answerInstead({ incoming, outgoing }: Forward, reply: Reply): void {
  if (outgoing.headersSent) outgoing.destroy();
  else writeReplyEarly(incoming, outgoing, reply);
}

/** Answers without having read the request's body: what is left of it is not waited for. */
export function writeReplyEarly(incoming: IncomingMessage, outgoing: ServerResponse, reply: Reply): void {
  if (!incoming.complete && !outgoing.headersSent) outgoing.setHeader('connection', 'close');
  writeReply(outgoing, reply);
}
