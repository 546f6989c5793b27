import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { AccessLog } from './access-log.ts';
import { answerOf } from './answers.ts';
import type { Authenticator } from './authenticate.ts';
import { agentKeyHeader } from './credentials.ts';
import type { Decision } from './decide.ts';
import { forwardAuthAnswer, forwardAuthInternalError } from './forward-auth.ts';
import type { GatewayMetrics } from './metrics.ts';
import { internalError, type Reply, writeReply } from './replies.ts';
import { discardBody } from './unread-body.ts';

/**
 * `/v1/authenticate` and `/v1/forward-auth`: the hot path. It works on node's own request and response and goes before
 * the app's router, whose objects would cost more than all the rest. Where everything is in memory nothing is awaited,
 * nothing is kept of the request, and what is sent was made before.
 */
export type AuthenticateRoute = 'authenticate' | 'forward-auth';

/**
 * The paths of authentication and whatever stands below them, as it came. Proxies put the agent's own path there
 * (Envoy's `path_prefix` does), so nothing in it may be resolved: `/v1/authenticate/../../healthz` is a question
 * about a credential too, and a 200 from /healthz would let anyone in. So is a target that names scheme and host, as
 * clients of proxies write them.
 */
const asked = /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\\]*)?\/v1\/(authenticate|forward-auth)(?=[/?#\\]|$)/;

/** Which of them a request's target names; undefined where it names something else. */
export function authenticateRouteOf(requestTarget: string): AuthenticateRoute | undefined {
  if (requestTarget === '/v1/authenticate') return 'authenticate'; // nearly all of them
  return asked.exec(requestTarget)?.[1] as AuthenticateRoute | undefined;
}

export interface AuthenticateParts {
  authenticator: Authenticator;
  metrics: GatewayMetrics;
  region: string;
  clock: Clock;
  log: Logger;
  /** Where it is on. */
  access?: AccessLog | undefined;
}

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

export function createAuthenticateHandlers(parts: AuthenticateParts): Record<AuthenticateRoute, Handler> {
  return {
    authenticate: createHandler(parts, 'authenticate', answerOf, internalError),
    'forward-auth': createHandler(parts, 'forward-auth', forwardAuthAnswer, forwardAuthInternalError),
  };
}

function createHandler(
  { authenticator, metrics, region, clock, log, access }: AuthenticateParts,
  route: AuthenticateRoute,
  answer: (decision: Decision, region: string) => Reply,
  mistake: Reply,
): Handler {
  const finish = (outgoing: ServerResponse, decision: Decision, startedAt: number) => {
    metrics.decided(route, decision, clock.monotonic() - startedAt);
    access?.decided(outgoing.req, decision);
    writeReply(outgoing, answer(decision, region));
  };
  const fail = (outgoing: ServerResponse, error: unknown) => {
    log.error({ err: error }, 'a request failed by a mistake of ours');
    writeReply(outgoing, mistake);
  };
  return (incoming, outgoing) => {
    const startedAt = clock.monotonic();
    const shown = readShown(incoming);
    try {
      const decision = authenticator.authenticate(shown, startedAt);
      if (decision instanceof Promise)
        decision
          .then((decided) => finish(outgoing, decided, startedAt))
          .catch((error) => fail(outgoing, error));
      else finish(outgoing, decision, startedAt);
    } catch (error) {
      fail(outgoing, error);
    }
    if (shown.hasBody) discardBody(incoming, clock);
  };
}

/** What a request shows of itself, read in one pass. A header that comes several times is all of them, by commas. */
interface ShownHeaders {
  authorization: string | undefined;
  agentKey: string | undefined;
  clusterId: undefined;
  query: string | undefined;
  from: IncomingMessage;
  hasBody: boolean;
}

const authorizationLength = 'authorization'.length;
const contentLengthLength = 'content-length'.length;
const transferEncodingLength = 'transfer-encoding'.length;

function readShown(incoming: IncomingMessage): ShownHeaders {
  const { rawHeaders } = incoming;
  const shown: ShownHeaders = {
    authorization: undefined,
    agentKey: undefined,
    clusterId: undefined,
    query: queryOf(incoming.url ?? ''),
    from: incoming,
    hasBody: false,
  };
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    // Few names are as long as one of these: all others are passed over at the cost of that look.
    switch (name.length) {
      case authorizationLength:
        if (name.toLowerCase() === 'authorization')
          shown.authorization = joined(shown.authorization, rawHeaders[at + 1]!);
        break;
      case agentKeyHeader.length:
        if (name.toLowerCase() === agentKeyHeader)
          shown.agentKey = joined(shown.agentKey, rawHeaders[at + 1]!);
        break;
      case contentLengthLength:
        if (name.toLowerCase() === 'content-length') shown.hasBody ||= rawHeaders[at + 1] !== '0';
        break;
      case transferEncodingLength:
        if (name.toLowerCase() === 'transfer-encoding') shown.hasBody = true;
        break;
    }
  }
  return shown;
}

/** What follows the first question mark; undefined where there is nothing of the kind. */
function queryOf(requestTarget: string): string | undefined {
  const mark = requestTarget.indexOf('?');
  return mark < 0 ? undefined : requestTarget.slice(mark + 1);
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}
