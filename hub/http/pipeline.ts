import type { Context } from 'hono';
import { checkAccess } from '../access.ts';
import { authenticate } from '../auth/authenticate.ts';
import { inTransaction } from '../data/transaction.ts';
import { markIntended } from '../db/intended.ts';
import type { Services } from '../services.ts';
import { readJson } from './body.ts';
import { etagOf } from './etag.ts';
import { checkIdempotencyKey, claimOrReplay, keepAnswer, requestHash } from './idempotency.ts';
import { fail } from './problems.ts';
import type { RequestState } from './request.ts';
import type { Answer, AnyRoute, Call } from './route.ts';
import { type FieldError, queryObject, validate } from './validate.ts';

type Input = Pick<Call<unknown, unknown, unknown>, 'params' | 'query' | 'body'>;
type AnyCall = Call<unknown, unknown, unknown>;

/**
 * What every request to a route goes through, in this order: who is it, may they, is it well-formed (all mistakes
 * at once), has it been answered before; then the handler, in a transaction unless it only reads.
 */
export async function runRoute(
  route: AnyRoute,
  c: Context,
  state: RequestState,
  services: Services,
): Promise<Response> {
  const actor = await authenticate(c.req.header('authorization'), state.source, services);
  state.actorId = actor.id;
  checkAccess(actor, route.operation);
  const input = await readInput(route, c);
  const base = { ...input, actor, requestId: state.requestId, ifMatch: c.req.header('if-match'), services };

  if (route.method === 'GET') {
    const answer = await route.handle({ ...base, db: services.database.db, afterCommit: () => {} });
    return respond(route, answer);
  }
  return runMutation(route, c, base, services);
}

async function runMutation(
  route: AnyRoute,
  c: Context,
  base: Omit<AnyCall, 'db' | 'afterCommit'>,
  services: Services,
): Promise<Response> {
  const key = route.method === 'POST' ? c.req.header('idempotency-key') : undefined;
  if (key !== undefined) checkIdempotencyKey(key);
  const claim = key !== undefined && {
    applicationKeyId: base.actor.id,
    key,
    requestHash: requestHash(route.method, c.req.path, { query: base.query, body: base.body }),
  };
  let afterCommit: (() => void)[] = [];
  const response = await inTransaction(services, async (tx) => {
    afterCommit = [];
    await markIntended(tx);
    const kept = claim ? await claimOrReplay(tx, claim) : 'claimed';
    if (kept !== 'claimed') return replayed(kept.status, kept.body, kept.etag);
    const answer = await route.handle({ ...base, db: tx, afterCommit: (action) => afterCommit.push(action) });
    if (claim) {
      const body = answer.replay ?? answer.body ?? null;
      await keepAnswer(tx, claim, { status: route.answer.status, body, etag: etagOfAnswer(answer) });
    }
    return respond(route, answer);
  });
  for (const action of afterCommit) action();
  return response;
}

async function readInput(route: AnyRoute, c: Context): Promise<Input> {
  const errors: FieldError[] = [];
  const params = route.params ? validate(route.params, c.req.param(), '') : undefined;
  if (params && !params.valid) fail('NOT_FOUND');

  const given = queryObject(new URL(c.req.url));
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

function respond(route: AnyRoute, answer: Answer<unknown>): Response {
  const etag = etagOfAnswer(answer);
  const headers: Record<string, string> = { 'cache-control': 'no-store', ...(etag ? { etag } : {}) };
  if (route.answer.status === 204) return new Response(null, { status: 204, headers });
  return Response.json(answer.body, { status: route.answer.status, headers });
}

function replayed(status: number, body: unknown, etag: string | null): Response {
  const headers = { 'cache-control': 'no-store', 'idempotency-replayed': 'true', ...(etag ? { etag } : {}) };
  return Response.json(body, { status, headers });
}
