import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { PreparedAgentKey, PreparedCluster, Upstream } from '../prepared.ts';
import { type Reply, writeReply } from '../replies.ts';
import { type Attempt, Ending } from './attempt.ts';
import { Bag } from './bag.ts';
import { Dialling, UpstreamDeniedError } from './dialling.ts';
import { type FailedForward, type ForwardOutcome, failureOf, failureReplies, mayRetry } from './failures.ts';
import { requestHeaders } from './headers.ts';
import { HopReader } from './hop.ts';
import { exchangePlainly, PlainAgent } from './plain-exchange.ts';
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
  answerHeaders?: readonly string[] | undefined;
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
  /** What undici cannot do: a tunnel, or trailers of a request. */
  readonly isSpecial: boolean;
  /** Ended when the client has gone, or when the permission has. */
  readonly ending: Ending;
  /** To be told once, when all is over. */
  readonly over: (outcome: ForwardOutcome) => void;
  /** In place of `over`: a mistake of ours. */
  readonly mistaken: (error: unknown) => void;
  /** It was upgraded, and that is over. */
  tunnelled: boolean;
  attempts: number;
  /** Upstreams that failed it. */
  tried: Set<Upstream> | undefined;
  /** What the last of them failed with. */
  failure: FailedForward | undefined;
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
    this.#plain = new PlainAgent(settings, dialling, connectionsMax);
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

  /**
   * Sends the request on and its answer back. Resolves when both are over; rejects with a mistake of ours only.
   *
   * Between here and the exchange nothing is awaited where nothing has to be: each `async` on the way would cost a
   * request a promise, a generator and a turn of the queue.
   */
  forward(forward: Forward): Promise<ForwardOutcome> {
    return new Promise((resolve, reject) => {
      const { forwardsMax, tunnelsMax } = this.#settings;
      const { incoming, outgoing } = forward;
      const tunnel = forward.tunnelHead !== undefined;
      if (tunnel ? this.#tunnels >= tunnelsMax : this.underWay >= forwardsMax) {
        resolve(this.#fail(forward, 'overloaded'));
        return;
      }
      const ending = new Ending();
      let left = false;
      const leave = () => {
        if (left) return;
        left = true;
        this.#ongoing.delete(ongoing);
        if (tunnel) this.#tunnels -= 1;
      };
      const ongoing: Ongoing = {
        forward,
        body: tunnel ? undefined : bodyOf(incoming),
        isSpecial: tunnel || isSpecial(incoming),
        ending,
        over: (outcome) => {
          leave();
          resolve(outcome);
        },
        mistaken: (error) => {
          leave();
          reject(error);
        },
        tunnelled: false,
        attempts: 0,
        tried: undefined,
        failure: undefined,
        withdrawn: undefined,
        isNew: true,
        carriedBytes: -1,
        carriedAt: 0,
        place: 0,
      };
      this.#ongoing.add(ongoing);
      if (tunnel) this.#tunnels += 1;
      outgoing.on('close', () => {
        if (outgoing.writableFinished) ending.finish();
        else ending.end();
      });
      if (outgoing.closed || outgoing.destroyed) ending.end();
      this.#begin(ongoing);
    });
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

  #begin(ongoing: Ongoing): void {
    const { body, ending, isSpecial } = ongoing;
    if (!body?.isSmall || isSpecial) {
      this.#attempt(ongoing);
      return;
    }
    body
      .gather(ending)
      .then(() => {
        if (ending.ended) ongoing.over(this.#ended(ongoing));
        else this.#attempt(ongoing);
      })
      .catch(ongoing.mistaken);
  }

  /** One upstream is asked, and {@link #settle} is told what came of it. */
  #attempt(ongoing: Ongoing): void {
    const { forward, body, ending } = ongoing;
    const { incoming, outgoing, key, rest, tunnelHead } = forward;
    let done: (() => void) | undefined;
    try {
      const upstream = this.#upstreams.choose(forward.cluster.upstreams, ongoing.tried);
      if (upstream === undefined) {
        ongoing.over(this.#fail(forward, ongoing.failure ?? 'overloaded'));
        return;
      }
      ongoing.attempts += 1;
      const attempt: Attempt = {
        incoming,
        outgoing,
        upstream,
        body,
        answerHeaders: forward.answerHeaders ?? none,
        path: upstreamPath(upstream.basePath, rest),
        headers: requestHeaders(incoming.rawHeaders, key, this.#hops.read(incoming), forward.shown),
        ending,
        answered: () => this.#upstreams.answered(upstream),
      };
      forward.onSent?.(upstream.origin);
      const end = this.#upstreams.begin(upstream);
      done = end;
      const settle = (error?: unknown) => {
        end();
        try {
          this.#settle(ongoing, upstream, error);
        } catch (mistake) {
          ongoing.mistaken(mistake);
        }
      };
      if (tunnelHead !== undefined) this.#tunnel(ongoing, attempt, end).then(() => settle(), settle);
      else if (ongoing.isSpecial)
        exchangeSpecially(this.#special, attempt, 'with-trailers').then(() => settle(), settle);
      else exchangePlainly(this.#plain, attempt, settle);
    } catch (mistake) {
      done?.();
      ongoing.mistaken(mistake);
    }
  }

  /** Resolves when the tunnel is over, or when the upstream has answered with something else and that is over. */
  async #tunnel(ongoing: Ongoing, attempt: Attempt, done: () => void): Promise<void> {
    const { forward, ending } = ongoing;
    const opened = await exchangeSpecially(this.#special, attempt, 'upgrade');
    if (opened === undefined) return;
    attempt.answered();
    done(); // a tunnel is no request under way
    await runTunnel(forward.outgoing, forward.tunnelHead!, opened, {
      idleTimeoutMs: this.#settings.tunnelIdleTimeoutMs,
      ending,
      answerHeaders: attempt.answerHeaders,
    });
    ongoing.tunnelled = true;
  }

  /** An attempt is over, `error` being what it failed with: so is the forward, unless it is tried once more. */
  #settle(ongoing: Ongoing, upstream: Upstream, error: unknown): void {
    const { forward, body, withdrawn } = ongoing;
    if (error === undefined) {
      const tunnelled = withdrawn ? 'withdrawn' : 'tunnelled';
      ongoing.over(ongoing.tunnelled ? tunnelled : 'forwarded');
      return;
    }
    if (ongoing.ending.ended) {
      ongoing.over(this.#ended(ongoing));
      return;
    }
    const failure = this.#failed(forward, upstream, error);
    ongoing.failure = failure;
    const { method } = forward.incoming;
    const { attempts } = ongoing;
    const unsent = !forward.outgoing.headersSent && (body === undefined || body.isSendable);
    if (!unsent || attempts >= this.#settings.attemptsMax || !mayRetry(failure, method)) {
      ongoing.over(this.#fail(forward, failure));
      return;
    }
    // A connection that was kept alive may have ended just then: that says nothing against the only upstream.
    if (failure !== 'broken' || forward.cluster.upstreams.length > 1 || attempts > 1) {
      ongoing.tried ??= new Set();
      ongoing.tried.add(upstream);
    }
    this.#events.retried(failure);
    // Not within undici's telling of the failure: where it fails a connection, it asserts that nothing new is asked of it.
    queueMicrotask(() => this.#attempt(ongoing));
  }

  #failed(forward: Forward, upstream: Upstream, error: unknown): FailedForward {
    // Where the upstream is, is no failure of its own: it is not left alone for it, however many ask.
    if (error instanceof UpstreamDeniedError) {
      this.#events.upstreamDenied(error, forward.key);
      return 'denied';
    }
    const failure = failureOf(error);
    if (failure !== 'refused' && this.#upstreams.failed(upstream) === 'put-out')
      this.#events.upstreamOut(upstream.origin, failure);
    return failure;
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

const none: readonly string[] = [];

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
