import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import { errors } from 'undici';
import type { Clock } from '../../contexts/base/clock.ts';
import { type Attempt, beginAnswer, type ExchangeTimes, endAnswer, inform } from './attempt.ts';
import type { Dialling } from './dialling.ts';
import { trailers } from './headers.ts';
import { type Opened, upgradeProtocol } from './tunnel.ts';

/**
 * The exchanges that undici cannot do, with node's own client: upgrades that may also be answered otherwise, and
 * requests that announce trailers or ask for them.
 */
export class SpecialAgent {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  readonly clock: Clock;
  readonly times: ExchangeTimes;

  constructor(times: ExchangeTimes, dialling: Dialling, clock: Clock, connectionsMax: number) {
    const options = { keepAlive: true, maxSockets: connectionsMax, timeout: times.idleTimeoutMs };
    this.http = dialling.guard(new HttpAgent(options));
    this.https = dialling.guard(new HttpsAgent(options));
    this.clock = clock;
    this.times = times;
  }

  destroy(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

/** Whether a request needs {@link exchangeSpecially}. */
export function isSpecial({ headers }: IncomingMessage): boolean {
  return (
    (headers.trailer !== undefined && headers['transfer-encoding'] !== undefined) || wantsTrailers(headers)
  );
}

/**
 * @returns the upgraded connection, if that is what the upstream made of the request; else undefined, when the
 * answer is over. Rejects as {@link exchangePlainly} does.
 */
export async function exchangeSpecially(
  agent: SpecialAgent,
  attempt: Attempt,
  kind: 'upgrade' | 'with-trailers',
): Promise<Opened | undefined> {
  const request = open(agent, attempt, kind);
  const answer = answerOf(request, attempt.outgoing);
  answer.catch(() => {}); // awaited below, unless sending fails first
  attempt.ending.listen({ cancel: () => request.destroy(new errors.RequestAbortedError()) });
  const timers = watchTimes(agent, request);
  try {
    send(request, attempt).catch((error) => request.destroy(error));
    const answered = await answer;
    if ('socket' in answered) return answered;
    timers.answered();
    const { response } = answered;
    beginAnswer(attempt, response.statusCode!, response.statusMessage!, response.rawHeaders);
    attempt.outgoing.flushHeaders();
    await pipeline(response, attempt.outgoing, { end: false });
    await endAnswer(attempt.outgoing, response.rawTrailers);
    if (!request.writableFinished) request.destroy(); // it was answered before it was over
    return undefined;
  } catch (error) {
    request.destroy();
    throw error;
  } finally {
    timers.over();
    attempt.ending.listen(undefined);
  }
}

function open(
  { http, https }: SpecialAgent,
  attempt: Attempt,
  kind: 'upgrade' | 'with-trailers',
): ClientRequest {
  const { incoming, upstream, path } = attempt;
  const url = new URL(upstream.origin);
  const own = ['host', url.host];
  if (kind === 'upgrade') own.push('connection', 'Upgrade', 'upgrade', upgradeProtocol);
  else if (wantsTrailers(incoming.headers)) own.push('connection', 'TE', 'te', 'trailers');
  if (attempt.body && incoming.headers['content-length'] === undefined) {
    own.push('transfer-encoding', 'chunked');
    if (incoming.headers.trailer !== undefined) own.push('trailer', incoming.headers.trailer);
  }
  const secure = url.protocol === 'https:';
  const headers = [...own, ...attempt.headers];
  const options = { method: incoming.method!, path, headers, agent: secure ? https : http };
  return secure ? requestHttps(url, options) : requestHttp(url, options);
}

async function send(request: ClientRequest, { incoming, body }: Attempt): Promise<void> {
  if (body) {
    await pipeline(body, request, { end: false });
    if (incoming.headers['content-length'] === undefined) request.addTrailers(trailers(incoming.rawTrailers));
  }
  request.end();
}

function answerOf(
  request: ClientRequest,
  outgoing: ServerResponse,
): Promise<Opened | { response: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    request.on('information', ({ statusCode, rawHeaders }) => inform(outgoing, statusCode, rawHeaders));
    request.on('response', (response: IncomingMessage) => resolve({ response }));
    request.on('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) =>
      resolve({ response, socket, head }),
    );
    request.on('error', reject);
    request.on('close', () => reject(new errors.SocketError('the upstream ended the connection')));
  });
}

/** The three times of an exchange, each ending it with the error that undici has for it. */
function watchTimes({ clock, times }: SpecialAgent, request: ClientRequest) {
  let timer = { cancel: () => {} };
  const within = (ms: number, error: () => Error) => {
    timer.cancel();
    timer = clock.timer(ms, () => request.destroy(error()));
  };
  request.on('socket', (socket) => {
    if (socket.connecting) {
      within(times.connectTimeoutMs, () => new errors.ConnectTimeoutError());
      socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => timer.cancel());
    }
  });
  request.on('finish', () => within(times.headersTimeoutMs, () => new errors.HeadersTimeoutError()));
  return {
    answered: () => {
      timer.cancel();
      request.setTimeout(times.idleTimeoutMs, () => request.destroy(new errors.BodyTimeoutError()));
    },
    over: () => timer.cancel(),
  };
}

function wantsTrailers({ te }: IncomingMessage['headers']): boolean {
  return te !== undefined && /(?:^|,)\s*trailers\s*(?:,|;|$)/i.test(String(te));
}
