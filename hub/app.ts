import { type Context, Hono } from 'hono';
import { problemPage } from './console/layout.ts';
import { runPage } from './console/page.ts';
import { pages as consolePages } from './console/pages.ts';
import { databaseFault, loggable, toProblem } from './data/errors.ts';
import { health } from './health.ts';
import { honoPath, problemAnswer } from './http/answers.ts';
import { withDeadline } from './http/deadline.ts';
import { type Answered, runRoute } from './http/pipeline.ts';
import { ProblemError } from './http/problems.ts';
import { type RequestState, requestIdOf, sourceOf } from './http/request.ts';
import type { AnyRoute } from './http/route.ts';
import { openApiDocument } from './reference/document.ts';
import { referencePage } from './reference/html.ts';
import { platformSchemaAnswer } from './reference/platform-schema.ts';
import { routes as everyRoute } from './routes.ts';
import type { Services } from './services.ts';

export interface AppLimits {
  requestsInFlightMax: number;
  requestTimeoutMs: number;
}

/** What @hono/node-server hands in beside the request; absent in tests that call `app.fetch` alone. */
type Bindings = { incoming?: import('node:http').IncomingMessage };
type Env = { Bindings: Bindings };
type Run = (c: Context<Env>, state: RequestState) => Promise<Response> | Response;
/** How a problem is told: to programs as a document, to people as a page. */
type SayProblem = (problem: ProblemError) => Promise<Response> | Response;

/**
 * The hub as one function from request to response: the routes of routes.ts, the pages about it, and around them
 * what every answer has: a request id, a log line, a measurement, and a problem document where something went wrong.
 */
export function createApp(
  services: Services,
  limits: AppLimits,
  routes: readonly AnyRoute[] = everyRoute,
): Hono<Env> {
  const app = new Hono<Env>();
  const pages = healthAndReference(services);
  const answer = (pattern: string, run: Run, say: SayProblem = problemAnswer) => {
    return (c: Context<Env>) => observed(c, pattern, run, services, say);
  };

  let inFlight = 0;
  /** Runs it within the bounds of what the hub does at once, and within its time. */
  const bounded =
    (work: (c: Context<Env>, state: RequestState) => Promise<Answered>): Run =>
    async (c, state) => {
      if (services.stopping.aborted)
        throw new ProblemError('STOPPING', { headers: { connection: 'close', 'retry-after': '1' } });
      if (inFlight >= limits.requestsInFlightMax)
        throw new ProblemError('OVERLOADED', { headers: { 'retry-after': '1' } });
      services.metrics.requestsInFlight.set(++inFlight);
      try {
        const running = work(c, state);
        const { response, afterwards } = await withDeadline(
          services.clock,
          limits.requestTimeoutMs,
          running,
        ).catch((error: unknown) => {
          void running.then(({ abandon }) => abandon?.()).catch(() => {});
          throw error;
        });
        return afterwards ? await afterwards() : response;
      } finally {
        services.metrics.requestsInFlight.set(--inFlight);
      }
    };
  for (const route of routes) {
    const run = bounded((c, state) => runRoute(route, c, state, services));
    app.on(route.method, honoPath(route.path), answer(route.path, run));
  }
  for (const page of consolePages) {
    const run = bounded(async (c, state) => ({ response: await runPage(page, c, state, services) }));
    app.on(
      page.method,
      honoPath(page.path),
      answer(page.path, run, page.from === 'programs' ? problemAnswer : problemPage),
    );
  }
  for (const [path, page] of Object.entries(pages)) app.get(path, answer(path, page));

  const known = [
    ...routes,
    ...consolePages,
    ...Object.keys(pages).map((path) => ({ method: 'GET', path })),
  ].map(({ method, path }) => ({ method, matches: pathPattern(path) }));
  const nothing: Run = (c) => {
    const methods = new Set(
      known.filter(({ matches }) => matches.test(c.req.path)).map(({ method }) => method),
    );
    if (methods.size === 0)
      throw new ProblemError('NOT_FOUND', {
        detail: `There is nothing at this path. /docs lists what there is.`,
      });
    throw new ProblemError('METHOD_NOT_ALLOWED', { headers: { allow: [...methods].sort().join(', ') } });
  };
  const [toPrograms, toPeople] = [answer('none', nothing), answer('none', nothing, problemPage)];
  app.notFound((c) => (isAskedByPerson(c) ? toPeople(c) : toPrograms(c)));
  // What the router itself throws, before a handler runs.
  app.onError((error, c) =>
    answer('none', () => {
      throw error;
    })(c),
  );
  return app;
}

/** Whether somebody typed an address, or followed a link: browsers name HTML, programs hardly ever do. */
function isAskedByPerson({ req }: Context<Env>): boolean {
  return (
    req.method === 'GET' && !req.path.startsWith('/v1/') && /\btext\/html\b/.test(req.header('accept') ?? '')
  );
}

function healthAndReference(
  services: Services,
): Record<string, (c: Context<Env>) => Promise<Response> | Response> {
  const document = openApiDocument(everyRoute);
  const json = JSON.stringify(document);
  const html = referencePage(document);
  const { healthz, readyz, metrics } = health(services);
  const htmlHeaders = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  };
  return {
    '/healthz': healthz,
    '/readyz': readyz,
    '/metrics': metrics,
    '/openapi.json': () => new Response(json, { headers: { 'content-type': 'application/json' } }),
    '/platform.schema.json': platformSchemaAnswer,
    '/docs': () => new Response(html, { headers: htmlHeaders }),
  };
}

/** Runs a request to its answer, whatever happens, and notes what happened. */
async function observed(
  c: Context<Env>,
  route: string,
  run: Run,
  services: Services,
  say: SayProblem,
): Promise<Response> {
  const { clock, random, log, metrics } = services;
  const state: RequestState = {
    requestId: requestIdOf(c.req.header('spokecast-request-id'), random),
    source: sourceOf(c.env?.incoming, c.req.header(), services.proxyHops),
    startedAt: clock.monotonic(),
    route,
    actorId: undefined,
  };
  let response: Response;
  let code: string | undefined;
  try {
    response = await run(c, state);
  } catch (error) {
    const problem = toProblem(error);
    code = problem.code;
    response = await say(problem);
    if (problem.document.status >= 500) {
      const level = code === 'INTERNAL' ? 'error' : 'warn';
      log[level]({ requestId: state.requestId, route, code, error: loggable(error) }, 'request failed');
    }
    if (code === 'DATABASE_UNAVAILABLE' || code === 'INTERNAL')
      metrics.databaseErrors.inc({ fault: databaseFault(error) });
  }
  response.headers.set('spokecast-request-id', state.requestId);
  response.headers.set('x-content-type-options', 'nosniff');
  for (const [name, value] of Object.entries(state.headers ?? {})) response.headers.set(name, value);
  if (services.draining.aborted) response.headers.set('connection', 'close');
  const durationMs = clock.monotonic() - state.startedAt;
  const { method } = c.req;
  metrics.requests.observe(
    { method: knownMethod(method), route, status: response.status },
    durationMs / 1000,
  );
  const isChange = method !== 'GET' && method !== 'HEAD';
  if (!route.startsWith('/v1/') && !isChange && response.status < 400) return response;
  const { requestId, source, actorId } = state;
  log.info(
    {
      requestId,
      method,
      route,
      path: c.req.path.slice(0, 300),
      status: response.status,
      code,
      durationMs: Math.round(durationMs),
      source,
      actorId,
    },
    'request',
  );
  return response;
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}

/** A label with few values, whatever clients send. */
function knownMethod(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS'].includes(method) ? method : 'other';
}
