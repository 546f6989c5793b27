import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { Random } from '../contexts/base/random.ts';
import { TokenBucket } from './cache/token-bucket.ts';
import type { GatewayConfig } from './config.ts';
import { agentKeyHeader, type ImportedKeys, readCredential } from './credentials.ts';
import type { Decision } from './decide.ts';

export interface AccessLogOptions {
  /** Writes behind the caller's back: see `buffered` of {@link createLogger}. */
  log: Logger;
  /** The share of requests that are written down, from 0 to 1, beside the refusals. */
  share: number;
  /** Requests without an answer of 2xx or 3xx of ours that are written down in a second; the others are counted. */
  refusalsPerSecond: number;
  importedKeys: ImportedKeys;
  clock: Clock;
  random: Random;
  metrics: { logged(outcome: AccessOutcome): void };
}

/** Of what was to be written down: `suppressed` are refusals beyond their rate. */
export const accessOutcomes = ['written', 'suppressed'] as const;
export type AccessOutcome = (typeof accessOutcomes)[number];

/** What is noted of a request under way. Nothing of it is made into a line unless the line is written. */
interface Note {
  readonly target: string;
  readonly startedAt: number;
  readonly remoteAddress: string | undefined;
  code: string | undefined;
  upstream: string | undefined;
}

/** Where a request's note hangs: a WeakMap of them all costs each request several times as much. */
const noted = Symbol('access log');
type Noted = IncomingMessage & { [noted]?: Note };

/**
 * One line a request, written after its answer has left. Where it is off there is no such object, and a request costs
 * a comparison.
 *
 * No header is written but those that tell requests apart, and they only in the form they should have; no query, and
 * nothing that has the form of a secret (law 10).
 */
export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #refusals: TokenBucket;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    const { refusalsPerSecond: perSecond, clock } = options;
    this.#refusals = new TokenBucket({ perSecond, burst: perSecond, clock });
  }

  /** Hears of every request of the server, before anybody else does. */
  watch(server: Server): void {
    const ended = (outgoing: ServerResponse) =>
      this.#ended(outgoing.req, outgoing.statusCode, outgoing.writableFinished);
    function onClose(this: ServerResponse) {
      ended(this);
    }
    server.prependListener('request', (incoming: IncomingMessage, outgoing: ServerResponse) => {
      this.#note(incoming);
      outgoing.on('close', onClose); // one listener for all of them
    });
    server.prependListener('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
      this.#note(incoming);
      // Its answer is written past the response: what it was is told by the decision.
      socket.once('close', () => this.#ended(incoming, undefined, true));
    });
  }

  decided(incoming: Noted, decision: Decision): void {
    const note = incoming[noted];
    if (note) note.code = decision.outcome === 'granted' ? 'GRANTED' : decision.code;
  }

  /** The upstream that a request is sent to; the last one counts. */
  sentTo(incoming: Noted, origin: string): void {
    const note = incoming[noted];
    if (note) note.upstream = origin;
  }

  #note(incoming: Noted): void {
    incoming[noted] = {
      target: incoming.url ?? '',
      startedAt: this.#options.clock.monotonic(),
      remoteAddress: incoming.socket.remoteAddress, // a connection that is closed does not know any more
      code: undefined,
      upstream: undefined,
    };
  }

  #ended(incoming: Noted, status: number | undefined, whole: boolean): void {
    const note = incoming[noted];
    if (note === undefined) return;
    const { share, random, log, clock, metrics } = this.#options;
    const { code, upstream, remoteAddress, target, startedAt } = note;
    const refused =
      code === undefined ? status !== undefined && status >= 400 : code !== 'GRANTED' || (status ?? 0) >= 500;
    if (refused ? !this.#refusals.take() : random.fraction() >= share) {
      if (refused) metrics.logged('suppressed');
      return;
    }
    metrics.logged('written');
    log.info({
      method: incoming.method,
      path: pathOf(target),
      status,
      code,
      keyId: keyIdOf(incoming, this.#options.importedKeys),
      durationMs: Math.round((clock.monotonic() - startedAt) * 1_000) / 1_000,
      upstream,
      remoteAddress,
      forwardedFor: header(incoming, 'x-forwarded-for', /^[0-9a-fA-F.:, ]{2,200}$/),
      requestId: header(incoming, 'x-request-id', /^[\w.:=+/-]{1,128}$/),
      traceparent: header(incoming, 'traceparent', /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
      ...(whole ? {} : { cut: true }),
    });
  }
}

/** What a gateway's options make of it. A rehearsal is nobody's request. */
export function accessLogOf(
  {
    accessLog: share,
    accessLogRefusalsPerSecond: refusalsPerSecond,
    importedKeys,
    shadowSocket,
  }: GatewayConfig,
  parts: Omit<AccessLogOptions, 'share' | 'refusalsPerSecond' | 'importedKeys'>,
): AccessLog | undefined {
  return share === 'off' || shadowSocket !== undefined
    ? undefined
    : new AccessLog({ ...parts, share, refusalsPerSecond, importedKeys });
}

const pathLengthMax = 512;

/** Without query, and with what looks like a secret of ours blotted out: people put keys into paths by mistake. */
function pathOf(target: string): string {
  const path = target.split(/[?#]/, 1)[0]!.slice(0, pathLengthMax);
  return path.replaceAll(/sp[ak]_[0-9A-Za-z_]+/g, '[secret]');
}

function keyIdOf({ headers }: IncomingMessage, importedKeys: ImportedKeys): string | undefined {
  const agentKey = headers[agentKeyHeader];
  const shownKey = typeof agentKey === 'string' ? agentKey : undefined;
  const shown = readCredential(headers.authorization, shownKey, importedKeys);
  return shown.state === 'shown' ? shown.keyId : undefined;
}

function header({ headers }: IncomingMessage, name: string, form: RegExp): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && form.test(value) && !/sp[ak]_/.test(value) ? value : undefined;
}
