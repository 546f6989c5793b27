import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { answerOf } from './answers.ts';
import type { Authenticator } from './authenticate.ts';
import { agentKeyHeader } from './credentials.ts';
import type { Decision } from './decide.ts';
import { type Forwarder, writeReplyEarly } from './forward/forwarder.ts';
import { clustersPrefix, readTarget } from './forward/target.ts';
import { asksForTunnel, onUpgrade } from './forward/tunnel.ts';
import { forwardAuthAnswer, forwardAuthInternalError, forwardAuthPath } from './forward-auth.ts';
import type { GatewayMetrics, Route } from './metrics.ts';
import { rateLimitHeaders } from './rate-limit/headers.ts';
import type { Readiness } from './readiness.ts';
import { badPath, internalError, notFound, type Reply, toResponse } from './replies.ts';
import { type Question, questionsSchema, shadowPath } from './snapshot/shadow.ts';

export interface HttpParts {
  authenticator: Authenticator;
  forwarder: Forwarder;
  metrics: GatewayMetrics;
  region: string;
  clock: Clock;
  log: Logger;
  readiness(): Readiness;
  /** In a rehearsal's shadow: what it goes by. */
  shadow?: ((question: Question) => string) | undefined;
}

const authenticatePath = '/v1/authenticate';
/**
 * The paths of authentication and whatever stands below them, as it came. Proxies put the agent's own path there
 * (Envoy's `path_prefix` does), so nothing in it may be resolved: `/v1/authenticate/../../healthz` is a question
 * about a credential too, and a 200 from /healthz would let anyone in.
 */
const belowAuthenticate = /^(\/v1\/(?:authenticate|forward-auth))(?=[/?#\\]|$)/;

export interface ServerSettings {
  connectionsMax: number;
  /** The time a client has to send its headers. */
  headersTimeoutMs: number; // and its TLS handshake
  /** How long a connection is kept on which nothing is asked. */
  keepAliveMs: number;
  /** Set: nothing but TLS is spoken. */
  tls: TlsServerOptions | undefined;
}

/** Everything the gateway answers itself. Handlers stay synchronous while everything is in memory. */
export function createApp(parts: HttpParts): Hono<{ Bindings: HttpBindings }> {
  const { authenticator, metrics, region, clock, log, readiness, shadow } = parts;
  const app = new Hono<{ Bindings: HttpBindings }>();

  const authenticate = (route: Route, answer: (decision: Decision, region: string) => Reply) => {
    return (c: Context<{ Bindings: HttpBindings }>) => {
      const startedAt = clock.monotonic();
      const finish = (decision: Decision): Response => {
        metrics.decided(route, decision, clock.monotonic() - startedAt);
        return toResponse(answer(decision, region));
      };
      const decision = authenticator.authenticate({
        authorization: c.req.header('authorization'),
        agentKey: c.req.header(agentKeyHeader),
        clusterId: undefined,
        query: queryOf(c.env.incoming.url ?? ''),
        from: c.env.incoming,
      });
      if (decision instanceof Promise) return decision.then<Response>(finish);
      return finish(decision);
    };
  };
  app.all(authenticatePath, authenticate('authenticate', answerOf));
  app.all(forwardAuthPath, authenticate('forward-auth', forwardAuthAnswer));

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const { status, reasons } = readiness();
    return c.json({ status, reasons }, status === 'not-ready' ? 503 : 200);
  });
  app.get('/metrics', async (c) =>
    c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );
  if (shadow)
    app.post(shadowPath, async (c) => c.json(questionsSchema.parse(await c.req.json()).map(shadow)));
  app.notFound(() => toResponse(notFound));
  app.onError((error, c) => {
    log.error({ err: error }, 'a request failed by a mistake of ours');
    return toResponse(c.req.path === forwardAuthPath ? forwardAuthInternalError : internalError);
  });
  return app;
}

/**
 * Authenticates a request to a cluster and hands it to the forwarder. It works on node's own request and response
 * and not in the app, because bodies stream both ways and a HEAD stays a HEAD.
 */
function createClusterHandler(
  parts: HttpParts,
): (incoming: IncomingMessage, outgoing: ServerResponse, tunnelHead?: Buffer) => void {
  const { authenticator, forwarder, metrics, region, clock, log } = parts;
  const refuse = writeReplyEarly;
  return async (incoming, outgoing, tunnelHead) => {
    const startedAt = clock.monotonic();
    try {
      const target = readTarget(incoming.url ?? '');
      if (target.state === 'bad-path') return refuse(incoming, outgoing, badPath);
      const { clusterId, rest } = target;
      const agentKey = incoming.headers[agentKeyHeader];
      const decision = await authenticator.authenticate({
        authorization: everyValue(incoming, 'authorization'),
        agentKey: typeof agentKey === 'string' ? agentKey : undefined,
        clusterId,
        from: incoming,
      });
      metrics.decided('forward', decision, clock.monotonic() - startedAt);
      if (decision.outcome === 'refused') return refuse(incoming, outgoing, answerOf(decision, region));
      const outcome = await forwarder.forward({
        incoming,
        outgoing,
        key: decision.key,
        verifier: decision.retiring ?? decision.key.verifier,
        ...(decision.rate ? { answerHeaders: Object.entries(rateLimitHeaders(decision.rate)).flat() } : {}),
        cluster: decision.cluster,
        rest,
        tunnelHead,
      });
      metrics.forwarded(outcome, clock.monotonic() - startedAt);
    } catch (error) {
      log.error({ err: error }, 'forwarding a request failed by a mistake of ours');
      refuse(incoming, outgoing, internalError);
    }
  };
}

/** What follows the first question mark; undefined where there is nothing of the kind. */
function queryOf(requestTarget: string): string | undefined {
  const mark = requestTarget.indexOf('?');
  return mark < 0 ? undefined : requestTarget.slice(mark + 1);
}

function pathAndQuery(path: string, query: string | undefined): string {
  return query === undefined ? path : `${path}?${query}`;
}

/** The header, and all of them where there are several: whoever shows two credentials shows none. */
function everyValue(incoming: IncomingMessage, name: string): string | undefined {
  return incoming.headersDistinct[name]?.join(', ');
}

/** The gateway's server, not yet listening. */
export function createGatewayServer(parts: HttpParts, settings: ServerSettings): Server {
  const answer = getRequestListener(createApp(parts).fetch);
  const forward = createClusterHandler(parts);
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const requestTarget = incoming.url ?? '';
    if (requestTarget.startsWith(clustersPrefix)) return forward(incoming, outgoing);
    const asked = belowAuthenticate.exec(requestTarget);
    if (asked) incoming.url = pathAndQuery(asked[1]!, queryOf(requestTarget));
    void answer(incoming, outgoing);
  };
  const options = {
    keepAliveTimeout: settings.keepAliveMs,
    shouldUpgradeCallback: (incoming: IncomingMessage) =>
      asksForTunnel(incoming) && (incoming.url ?? '').startsWith(clustersPrefix),
  };
  const server = settings.tls
    ? createTlsServer({ ...options, ...settings.tls, handshakeTimeout: settings.headersTimeoutMs }, onRequest)
    : createServer(options, onRequest);
  onUpgrade(server, forward);
  server.maxConnections = settings.connectionsMax;
  server.headersTimeout = settings.headersTimeoutMs;
  server.requestTimeout = 0; // a forwarded upload may take as long as it moves; what is idle is cut by the forwarder
  return server;
}
