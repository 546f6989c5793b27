import { Hono } from 'hono';
import type { Problem } from '../../contexts/base/problem.ts';
import type { Actor } from '../auth/actor.ts';
import { loggable, toProblem } from '../data/errors.ts';
import { honoPath, problemAnswer } from '../http/answers.ts';
import { runRoute } from '../http/pipeline.ts';
import type { RequestState } from '../http/request.ts';
import type { Method } from '../http/route.ts';
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
  body?: object;
  query?: Record<string, string | undefined>;
  ifMatch?: string | undefined;
  idempotencyKey?: string | undefined;
}

/**
 * The hub's API as one signed-in person. Pages read and change everything through it, so that the console can do what
 * the API allows that person and nothing else, with the same checks, fences and entries in the audit log.
 */
export interface Api {
  get<Body>(path: string, query?: Sent['query']): Promise<Answered<Body>>;
  send<Body>(method: Method, path: string, sent?: Sent): Promise<Answered<Body>>;
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
  const send = async <Body>(method: Method, path: string, sent: Sent = {}): Promise<Answered<Body>> => {
    const url = new URL(path, 'http://hub');
    for (const [name, value] of Object.entries(sent.query ?? {}))
      if (value !== undefined && value !== '') url.searchParams.set(name, value);
    const headers = new Headers();
    if (sent.body) headers.set('content-type', 'application/json');
    if (sent.ifMatch) headers.set('if-match', sent.ifMatch);
    if (sent.idempotencyKey) headers.set('idempotency-key', sent.idempotencyKey);
    const body = sent.body ? JSON.stringify(sent.body) : undefined;
    const request = new Request(url, { method, headers, ...(body === undefined ? {} : { body }) });
    return read(await app.fetch(request, { person, state, services }));
  };
  return { get: (path, query) => send('GET', path, { ...(query ? { query } : {}) }), send };
}

async function read<Body>(response: Response): Promise<Answered<Body>> {
  const text = await response.text();
  const body = text === '' ? undefined : JSON.parse(text);
  if (response.status >= 400) return { outcome: 'refused', problem: body as Problem };
  return {
    outcome: 'done',
    body: body as Body,
    etag: response.headers.get('etag') ?? undefined,
    fence: response.headers.get('spokecast-fence') ?? undefined,
    replayed: response.headers.get('idempotency-replayed') === 'true',
  };
}
