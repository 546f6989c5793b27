import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { rateLimitHeaders } from '../contexts/base/rate-limit/headers.ts';
import { answerOf } from './answers.ts';
import {
  type AuthenticateParts,
  authenticateRouteOf,
  createAuthenticateHandlers,
} from './authenticate-route.ts';
import { agentKeyHeader } from './credentials.ts';
import type { Decision } from './decide.ts';
import { connectionsCheckingIntervalOf } from './door.ts';
import type { Explainer } from './explain/explainer.ts';
import { mountExplanations } from './explain/route.ts';
import { type Forwarder, writeReplyEarly } from './forward/forwarder.ts';
import { clustersPrefix, readTarget } from './forward/target.ts';
import { asksForTunnel, onUpgrade } from './forward/tunnel.ts';
import type { Readiness } from './readiness.ts';
import { badPath, internalError, notFound, toResponse } from './replies.ts';
import { type Question, questionsSchema, shadowPath } from './snapshot/shadow.ts';
import { discardBody } from './unread-body.ts';

export interface HttpParts extends AuthenticateParts {
  forwarder: Forwarder;
  readiness(): Readiness;
  /** The metrics as they are to be told. */
  scrape(): Promise<string>;
  /** In a rehearsal's shadow: what it goes by. */
  shadow?: ((question: Question) => string) | undefined;
  /** Where there is a token to ask with. */
  explain?: { explainer: Explainer; token: string } | undefined;
}

export interface ServerSettings {
  /** The time a client has to send its headers. */
  headersTimeoutMs: number; // and its TLS handshake
  /** Bytes that the headers of a request may have together. */
  headerBytesMax: number;
  /** How long a connection is kept on which nothing is asked. */
  keepAliveMs: number;
  /** Set: nothing but TLS is spoken. */
  tls: TlsServerOptions | undefined;
}

/** Everything the gateway answers itself, but for the questions about credentials, which do not come here. */
export function createApp(
  parts: Pick<HttpParts, 'metrics' | 'log' | 'readiness' | 'scrape' | 'shadow' | 'explain'>,
): Hono {
  const { metrics, log, readiness, scrape, shadow, explain } = parts;
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const { status, reasons } = readiness();
    return c.json({ status, reasons }, status === 'not-ready' ? 503 : 200);
  });
  app.get('/metrics', async (c) =>
    c.body(await scrape(), 200, { 'content-type': metrics.registry.contentType }),
  );
  if (shadow)
    app.post(shadowPath, async (c) => c.json(questionsSchema.parse(await c.req.json()).map(shadow)));
  if (explain) mountExplanations(app, explain);
  app.notFound(() => toResponse(notFound));
  app.onError((error) => {
    log.error({ err: error }, 'a request failed by a mistake of ours');
    return toResponse(internalError);
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
  const { authenticator, forwarder, metrics, region, clock, log, access } = parts;
  const refuse = writeReplyEarly;
  return (incoming, outgoing, tunnelHead) => {
    const startedAt = clock.monotonic();
    const fail = (error: unknown) => {
      log.error({ err: error }, 'forwarding a request failed by a mistake of ours');
      refuse(incoming, outgoing, internalError);
    };
    const target = readTarget(incoming.url ?? '');
    if (target.state === 'bad-path') return refuse(incoming, outgoing, badPath);
    const { clusterId, rest } = target;
    const agentKey = incoming.headers[agentKeyHeader];
    const authorization = everyValue(incoming, 'authorization');
    const go = (decision: Decision) => {
      metrics.decided('forward', decision, clock.monotonic() - startedAt);
      access?.decided(incoming, decision);
      if (decision.outcome === 'refused') return refuse(incoming, outgoing, answerOf(decision, region));
      const { key, rate, retiring, cluster } = decision;
      forwarder
        .forward({
          incoming,
          outgoing,
          key,
          verifier: retiring ?? key.verifier,
          answerHeaders: rate && Object.entries(rateLimitHeaders(rate, 'agent-key')).flat(),
          shown: agentKey === undefined ? authorization : undefined,
          cluster,
          rest,
          tunnelHead,
          onSent: access && ((origin) => access.sentTo(incoming, origin)),
        })
        .then((outcome) => metrics.forwarded(outcome, clock.monotonic() - startedAt))
        .catch(fail);
    };
    try {
      const shownKey = typeof agentKey === 'string' ? agentKey : undefined;
      const shown = { authorization, agentKey: shownKey, clusterId, from: incoming };
      const decided = authenticator.authenticate(shown, startedAt);
      if (decided instanceof Promise) decided.then(go).catch(fail);
      else go(decided);
    } catch (error) {
      fail(error);
    }
  };
}

/** The header, and all of them where there are several: whoever shows two credentials shows none. */
function everyValue({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  let all: string | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at]!;
    if (raw.length !== name.length || raw.toLowerCase() !== name) continue;
    all = all === undefined ? rawHeaders[at + 1]! : `${all}, ${rawHeaders[at + 1]!}`;
  }
  return all;
}

/** The gateway's server, not yet listening. */
export function createGatewayServer(parts: HttpParts, settings: ServerSettings): Server {
  const answer = getRequestListener(createApp(parts).fetch);
  const authenticate = createAuthenticateHandlers(parts);
  const forward = createClusterHandler(parts);
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const requestTarget = incoming.url ?? '';
    const route = authenticateRouteOf(requestTarget);
    if (route !== undefined) return authenticate[route](incoming, outgoing);
    if (requestTarget.startsWith(clustersPrefix)) return forward(incoming, outgoing);
    outgoing.once('finish', () => discardBody(incoming, parts.clock));
    void answer(incoming, outgoing);
  };
  const options = {
    keepAliveTimeout: settings.keepAliveMs,
    optimizeEmptyRequests: true, // a request without a body needs no stream that ends
    maxHeaderSize: settings.headerBytesMax,
    connectionsCheckingInterval: connectionsCheckingIntervalOf(settings),
    shouldUpgradeCallback: (incoming: IncomingMessage) =>
      asksForTunnel(incoming) && (incoming.url ?? '').startsWith(clustersPrefix),
  };
  const server = settings.tls
    ? createTlsServer({ ...options, ...settings.tls, handshakeTimeout: settings.headersTimeoutMs }, onRequest)
    : createServer(options, onRequest);
  onUpgrade(server, forward);
  parts.access?.watch(server);
  return server;
}
