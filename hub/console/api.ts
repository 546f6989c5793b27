import { Hono } from 'hono';
import type { z } from 'zod';
import type { Problem } from '../../contexts/base/problem.ts';
import type { Actor } from '../auth/actor.ts';
import { loggable, toProblem } from '../data/errors.ts';
import { honoPath, problemAnswer } from '../http/answers.ts';
import { runRoute } from '../http/pipeline.ts';
import type { RequestState } from '../http/request.ts';
import type { AnsweringRoute, AnyRoute } from '../http/route.ts';
import { routes } from '../routes.ts';
import type { Services } from '../services.ts';

/** What the API said: what was wanted, or a problem document. */
export type Answered<Body> = Done<Body> | Refused;

export interface Done<Body> {
  outcome: 'done';
  body: Body;
  /** For `ifMatch` of a change. */
  etag: string | undefined;
  /** Of a change: the id by which its way to the regions is followed. */
  fence: string | undefined;
  /** It is the answer of an earlier request with the same key. */
  replayed: boolean;
}

export interface Refused {
  outcome: 'refused';
  problem: Problem;
}

export interface Sent {
  /** What stands in the braces of the route's path. */
  params?: Record<string, string | undefined>;
  query?: Record<string, string | undefined>;
  body?: object;
  ifMatch?: string | undefined;
  idempotencyKey?: string | undefined;
}

/**
 * The hub's API as one signed-in person. Pages read and change everything through it, so that the console can do what
 * the API allows that person and nothing else, with the same checks, fences and entries in the audit log. A page names
 * the route it calls: its schema is the type of the answer.
 */
export interface Api {
  call<Schema extends z.ZodType>(
    route: AnsweringRoute<Schema>,
    sent?: Sent,
  ): Promise<Answered<z.output<Schema>>>;
}

type Env = { Bindings: { person: Actor; state: RequestState; services: Services } };

/** The routes as functions in this process: no socket, no second authentication. */
const app = new Hono<Env>();
for (const route of routes) {
  app.on(route.method, honoPath(route.path), async (c) => {
    const { person, state, services } = c.env;
    const { response, afterwards } = await runRoute(route, c, state, services, person);
    return afterwards ? afterwards() : response;
  });
}
app.onError((error, c) => {
  const problem = toProblem(error);
  const { services, state } = c.env;
  const { requestId, route } = state;
  if (problem.document.status >= 500)
    services.log.warn({ requestId, route, code: problem.code, error: loggable(error) }, 'call failed');
  return problemAnswer(problem);
});

export function apiInProcess(services: Services, person: Actor, state: RequestState): Api {
  return {
    async call<Schema extends z.ZodType>(route: AnsweringRoute<Schema>, sent: Sent = {}) {
      const url = new URL(pathOf(route, sent.params ?? {}), 'http://hub');
      for (const [name, value] of Object.entries(sent.query ?? {}))
        if (value !== undefined && value !== '') url.searchParams.set(name, value);
      const headers = new Headers();
      if (sent.body) headers.set('content-type', 'application/json');
      if (sent.ifMatch) headers.set('if-match', sent.ifMatch);
      if (sent.idempotencyKey) headers.set('idempotency-key', sent.idempotencyKey);
      const body = sent.body ? JSON.stringify(sent.body) : undefined;
      const request = new Request(url, {
        method: route.method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      return read<Schema>(await app.fetch(request, { person, state, services }));
    },
  };
}

/** One step of the path for each parameter, whatever is in it. */
function pathOf({ path }: AnyRoute, params: Record<string, string | undefined>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

/** The answer of a route is what its schema says: `defineRoute` has checked the handler against it. */
async function read<Schema extends z.ZodType>(response: Response): Promise<Answered<z.output<Schema>>> {
  const text = await response.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  if (response.status >= 400) return { outcome: 'refused', problem: body as Problem };
  return {
    outcome: 'done',
    body: body as z.output<Schema>,
    etag: response.headers.get('etag') ?? undefined,
    fence: response.headers.get('spokecast-fence') ?? undefined,
    replayed: response.headers.get('idempotency-replayed') === 'true',
  };
}
