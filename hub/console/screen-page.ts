import { html } from 'hono/html';
import type { Problem } from '../../contexts/base/problem.ts';
import type { Actor } from '../auth/actor.ts';
import { type SignedIn, scopeKey, signedIn } from '../auth/sessions.ts';
import { toProblem } from '../data/errors.ts';
import { apiInProcess } from './api.ts';
import { frame } from './frame.ts';
import { answerHtml, pageHeaders } from './layout.ts';
import { type Page, type PageCall, seeOther } from './page.ts';
import { type Content, type Html, type Person, type Screen, ScreenProblem, type View } from './screen.ts';
import { scopeEnded, scopeEndedPart, sessionEnded, sessionEndedPart } from './session-ended.ts';
import { askForPassword, ConfirmationNeeded, confirmable } from './sign-in/confirming.ts';
import { presentField, type Refuse, unlessKnowsPassword } from './sign-in/holder.ts';
import { themeOf } from './theme.ts';
import { problemContent, problemPart } from './trouble.ts';

/** A screen as a page: for people who are signed in, with the API as the person may use it. */
export function screenPage(screen: Screen): Page {
  return { method: screen.method, path: screen.path, handle: (call) => show(screen, call) };
}

async function show(screen: Screen, call: PageCall): Promise<Response> {
  const { request, url, form, services, state } = call;
  const { clock, random, environment } = services;
  const theme = themeOf(request);
  const part = request.headers.has('hx-request') ? (url.searchParams.get('part') ?? undefined) : undefined;
  const who = await signedIn(request, services);
  if (!who) {
    if (part !== undefined) return answerHtml(sessionEndedPart(request), 401);
    if (screen.method === 'POST') return answerHtml(sessionEnded(url, form, request, theme), 401);
    return seeOther(`/login?next=${encodeURIComponent(url.pathname + url.search)}`);
  }
  const person = personOf(who);
  if (!person) {
    if (part !== undefined) return answerHtml(scopeEndedPart(), 403);
    if (screen.method === 'POST') return answerHtml(scopeEnded(url, form, theme), 403);
    return seeOther('/account');
  }
  state.actorId = person.actor.id;
  const here = scopeKey(person.actor.tenantId);
  const api = apiInProcess(services, person.actor, state);
  const view: View = {
    ...{ person, url, form, part, theme, environment },
    api: screen.method === 'POST' ? confirmable(api, who, services) : api,
    params: call.params,
    nowMs: clock.now(),
    newIdempotencyKey: () => `${here}.${Buffer.from(random.bytes(16)).toString('hex')}`,
  };
  const inFrame = (title: string, content: Content, status = 200, headers?: Record<string, string>) =>
    answerHtml(frame(view, title, content), status, headers);
  const ask: Refuse = (wrong, status, more) =>
    inFrame('Confirm that it is you', askForPassword(call, who, wrong), status, more);
  if (screen.method === 'POST' && form.get(presentField) !== '') {
    const refusal = await unlessKnowsPassword(call, who, ask);
    if (refusal) return refusal;
    person.actor.signedInAtMs = clock.now(); // for this one form
  }
  const there = madeIn(form.get('idempotencyKey'));
  if (there !== undefined && there !== here) {
    const name = person.scopes.find(({ value }) => value === there)?.name;
    return inFrame('You act elsewhere now', madeElsewhere(name, person.scope), 409);
  }
  try {
    const shown = await screen.handle(view);
    if ('redirect' in shown) return seeOther(shown.redirect);
    if ('part' in shown) return await answerHtml(shown.part, shown.status ?? 200);
    if ('title' in shown) return await inFrame(shown.title, shown.content, shown.status);
    return new Response(shown.download.pipeThrough(whileAllowed(person.actor, call)), {
      headers: {
        ...pageHeaders,
        'content-type': shown.type,
        'content-disposition': `attachment; filename="${shown.name}"`,
      },
    });
  } catch (error) {
    if (error instanceof ConfirmationNeeded) return ask([], 403);
    const problem: Problem = error instanceof ScreenProblem ? error.problem : toProblem(error).document;
    if (!(error instanceof ScreenProblem) && problem.code === 'INTERNAL') throw error;
    if (part !== undefined) return answerHtml(problemPart(problem, url), problem.status);
    return inFrame(problem.title, problemContent(problem), problem.status);
  }
}

/**
 * The scope in which a form was opened that makes something. A session has one scope for all its tabs: what was to be
 * made in a tenant must not be made on the platform.
 */
function madeIn(idempotencyKey: string): string | undefined {
  return /^(platform|ten_[0-9a-z]{26})\./.exec(idempotencyKey)?.[1];
}

function madeElsewhere(there: string | undefined, here: string): Html {
  const back =
    there === undefined
      ? 'where you belong no more'
      : html`in ${there}. <a href="/account">Choose where you act</a> to send it there`;
  return html`<div class="notice warn" role="alert"><p><strong>Nothing was changed.</strong> You act in ${here} now; the form was opened ${back}.</p></div>`;
}

/** What lasts ends with the session that it was begun by, and with the rights: broken off, so that it is not taken for whole. */
function whileAllowed(
  { role, tenantId }: Actor,
  { request, services }: PageCall,
): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    async transform(piece, controller) {
      const scopes = (await signedIn(request, services))?.scopes ?? [];
      if (!scopes.some((one) => one.tenantId === tenantId && one.role === role))
        throw new Error('the session has ended');
      controller.enqueue(piece);
    },
  });
}

/** Undefined for who belongs to nothing, or no more to where they acted. */
function personOf({ user, scope, scopes, actor }: SignedIn): Person | undefined {
  if (!scope || !actor) return undefined;
  return {
    name: user.name,
    scope: scope.name,
    scopes: scopes.map((one) => ({ value: scopeKey(one.tenantId), name: one.name, chosen: one === scope })),
    actor,
  };
}
