import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { rateLimitHeaders } from '../../contexts/base/rate-limit/headers.ts';
import { isId, newId } from '../../contexts/ids.ts';
import { checkAccess } from '../access.ts';
import type { Actor } from '../auth/actor.ts';
import { whoAsks } from '../auth/who.ts';
import { loggable } from '../data/errors.ts';
import { inTransaction } from '../data/transaction.ts';
import { mutationOpening } from '../db/mutations.ts';
import { isComplete } from '../fence-waits.ts';
import type { Services } from '../services.ts';
import { readJson } from './body.ts';
import { etagOf } from './etag.ts';
import {
  checkIdempotencyKey,
  claimOrReplay,
  type KeptAnswer,
  keepingAnswer,
  requestHash,
} from './idempotency.ts';
import { fail } from './problems.ts';
import type { RequestState } from './request.ts';
import type { Answer, AnyRoute, Call } from './route.ts';
import { type FieldError, queryObject, validate } from './validate.ts';
import { splitWait, waitSchema, wantedWaitMs } from './waiting.ts';

type Input = Pick<Call<unknown, unknown, unknown>, 'params' | 'query' | 'body'> & {
  /** How long to wait for the regions; undefined where the caller does not. */
  waitMs: number | undefined;
};
type AnyCall = Call<unknown, unknown, unknown>;

/** An answer, and what is still to be waited for before it is given. */
export interface Answered {
  response: Response;
  afterwards?: () => Promise<Response>;
  /** Called instead of `afterwards` where nobody is left to answer. */
  abandon?: () => void;
}

/**
 * What every request to a route goes through, in this order: who is it, may they, is it well-formed (all mistakes
 * at once), has it been answered before; then the handler, in a transaction unless it only reads.
 * `person`: who is known already, because a page of the console calls on their behalf.
 */
export async function runRoute(
  route: AnyRoute,
  c: Context,
  state: RequestState,
  services: Services,
  person?: Actor,
): Promise<Answered> {
  const actor = person ?? (await whoAsks(c.req.raw, state.source, services));
  state.actorId = actor.id;
  if (actor.id !== actor.userId) countRequest(actor.id, state, services);
  checkAccess(actor, route.operation);
  const { waitMs, ...input } = await readInput(route, c);
  const base = {
    ...{ ...input, actor, requestId: state.requestId, services },
    ifMatch: c.req.header('if-match'),
    header: (name: string) => c.req.header(name),
    hangUp: () => hangUp(c.env),
  };

  if (route.method === 'GET') {
    const answer = await route.handle({ ...base, db: services.database.db, afterCommit: () => {} });
    const { afterwards, abandon } = answer;
    const response = respond(route, answer);
    // Of an answer to HEAD nobody reads the stream: it would hold its place until it is found unread.
    if (answer.stream && c.req.method === 'HEAD') await response.body?.cancel();
    return {
      response,
      ...(abandon ? { abandon } : {}),
      ...(afterwards ? { afterwards: async () => respond(route, { body: await afterwards() }) } : {}),
    };
  }
  if (waitMs === undefined) return { response: (await runMutation(route, c, base, services)).response };
  const place = services.waits.reserve(actor);
  try {
    const { response, fence } = await runMutation(route, c, base, services);
    return {
      response,
      afterwards: () => propagated(response, fence, waitMs, place, services),
      abandon: () => place[Symbol.dispose](),
    };
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
}

/** @throws ProblemError 429 where that application key has made as many requests of this hub as it may for now. */
function countRequest(keyId: string, state: RequestState, { keyRates }: Services): void {
  const counted = keyRates?.limiter.take(keyId, keyRates.rate);
  if (!counted) return;
  state.headers = rateLimitHeaders(counted, 'application-key');
  if (counted.outcome === 'exceeded') fail('TOO_MANY_REQUESTS');
}

/** Closes the connection, unless the caller has the whole answer: then it may be about another request by now. */
function hangUp({ incoming, outgoing }: Partial<HttpBindings> = {}): void {
  if (outgoing?.writableFinished === false) incoming?.socket.destroy();
}

/** The answer once its change is everywhere, or after `waitMs`. The change is made: nothing turns this into a failure. */
async function propagated(
  response: Response,
  fence: string | null,
  waitMs: number,
  place: Disposable,
  { waits, log }: Services,
): Promise<Response> {
  using _place = place;
  const progress =
    fence === null
      ? undefined
      : await waits.until(fence, waitMs).catch((error) => {
          log.warn({ error: loggable(error), fence }, 'a change could not be waited for');
          return undefined;
        });
  const complete = progress !== undefined && isComplete(progress);
  response.headers.set('spokecast-propagation', complete ? 'complete' : 'incomplete');
  return response;
}

async function runMutation(
  route: AnyRoute,
  c: Context,
  base: Omit<AnyCall, 'db' | 'afterCommit'>,
  services: Services,
): Promise<{ response: Response; fence: string | null }> {
  const key = route.method === 'POST' ? c.req.header('idempotency-key') : undefined;
  if (key !== undefined) checkIdempotencyKey(key);
  const claim = key !== undefined && {
    applicationKeyId: claimantOf(base.actor),
    key,
    requestHash: requestHash(route.method, c.req.path, { query: base.query, body: base.body }),
  };
  let afterCommit: (() => void)[] = [];
  const done = await inTransaction(services, async (tx, sendAlong) => {
    afterCommit = [];
    const kept = claim ? await claimOrReplay(tx, claim) : 'claimed';
    if (kept !== 'claimed') return { response: replayed(kept), fence: kept.fence };
    const fence = newId('fence', services.clock, services.random);
    await sendAlong(mutationOpening(tx, { id: fence, tenantId: base.actor.tenantId }));
    const call = { ...base, db: tx, sendAlong };
    const answer = await route.handle({ ...call, afterCommit: (action) => afterCommit.push(action) });
    if (claim) {
      const body = answer.replay ?? answer.body ?? null;
      const etag = etagOfAnswer(answer);
      await sendAlong(keepingAnswer(tx, claim, { status: route.answer.status, body, etag, fence }));
    }
    return { response: respond(route, answer, fence), fence };
  });
  services.hints.give();
  for (const action of afterCommit) action();
  return done;
}

/** A person's answers are kept apart by scope: the same key in another is another request. */
function claimantOf({ id, tenantId }: Actor): string {
  return isId('user', id) ? `${id}/${tenantId ?? 'platform'}` : id;
}

async function readInput(route: AnyRoute, c: Context): Promise<Input> {
  const errors: FieldError[] = [];
  const params = route.params ? validate(route.params, c.req.param(), '') : undefined;
  if (params && !params.valid) fail('NOT_FOUND');

  const all = queryObject(new URL(c.req.url));
  const { wait: waiting, rest: given } = route.method === 'GET' ? { wait: {}, rest: all } : splitWait(all);
  const wait = validate(waitSchema, waiting, '?');
  if (!wait.valid) errors.push(...wait.errors);
  const query = route.query ? validate(route.query, given, '?') : undefined;
  if (query && !query.valid) errors.push(...query.errors);
  if (!query)
    errors.push(
      ...Object.keys(given).map((name) => ({
        pointer: `?${name}`,
        detail: 'is not a parameter of this request',
      })),
    );

  const raw = route.method === 'GET' ? undefined : await readJson(c.req.raw);
  const body = route.body ? validate(route.body, raw, '') : undefined;
  if (body && !body.valid) errors.push(...body.errors);
  if (!body && raw !== undefined && !isEmptyObject(raw))
    errors.push({ pointer: '', detail: 'must be absent: this request has no body' });

  if (errors.length > 0) fail('VALIDATION_FAILED', { errors });
  return {
    params: params?.valid ? params.value : {},
    query: query?.valid ? query.value : {},
    body: body?.valid ? body.value : undefined,
    waitMs: wait.valid ? wantedWaitMs(wait.value) : undefined,
  };
}

/** What some clients send where there is nothing to say. */
function isEmptyObject(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  );
}

function etagOfAnswer(answer: Answer<unknown>): string | null {
  return answer.representation ? etagOf(answer.representation) : null;
}

function respond(route: AnyRoute, answer: Answer<unknown>, fence?: string): Response {
  if (answer.stream) {
    // Proxies that gather answers before they pass them on would gather this one for ever.
    const headers = {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    };
    return new Response(answer.stream, { status: route.answer.status, headers });
  }
  const etag = etagOfAnswer(answer);
  const headers: Record<string, string> = {
    'cache-control': 'no-store',
    ...(etag ? { etag } : {}),
    ...(fence ? { 'spokecast-fence': fence } : {}),
  };
  if (route.answer.status === 204) return new Response(null, { status: 204, headers });
  return Response.json(answer.body, { status: route.answer.status, headers });
}

function replayed({ status, body, etag, fence }: KeptAnswer): Response {
  const headers = {
    'cache-control': 'no-store',
    'idempotency-replayed': 'true',
    ...(etag ? { etag } : {}),
    ...(fence ? { 'spokecast-fence': fence } : {}),
  };
  return Response.json(body, { status, headers });
}
