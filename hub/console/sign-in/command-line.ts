import { html } from 'hono/html';
import { authenticate } from '../../auth/authenticate.ts';
import { allowCommandLine, commandLineDays, exchangeCode } from '../../auth/command-line.ts';
import { waysIn } from '../../auth/identities.ts';
import { revokePersonalKey } from '../../auth/personal-keys.ts';
import { type SignedIn, signedInLately, whyNowhere } from '../../auth/sessions.ts';
import { name as nameSchema } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import type { Services } from '../../services.ts';
import { pageAnswer } from '../layout.ts';
import { type Page, seeOther } from '../page.ts';
import { faults, passwordField } from './fields.ts';
import { type Refuse, unlessHolder } from './holder.ts';
import { whoIsSignedIn } from './login.ts';

/** What `spokecast login --browser` asks for: where it listens on the person's machine, and what proves it is the one. */
interface Asked {
  port: string;
  state: string;
  challenge: string;
  name: string;
}

export const commandLinePage: Page = {
  method: 'GET',
  path: '/command-line',
  async handle(call) {
    const asked = readAsked((name) => call.url.searchParams.get(name) ?? '');
    const { person, instead } = await whoIsSignedIn(call);
    return instead ?? question(person, asked, call.services);
  },
};

export const commandLineForm: Page = {
  method: 'POST',
  path: '/command-line',
  async handle(call) {
    const asked = readAsked((name) => call.form.get(name));
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    if (!person.scope) fail('FORBIDDEN', whyNowhere(person));
    const isLate = !signedInLately(person.session.createdAt.getTime(), call.services);
    const refuse: Refuse = (wrong, status, more) =>
      question(person, asked, call.services, { wrong, status, more });
    const refusal = isLate ? await unlessHolder(call, person, refuse) : undefined;
    if (refusal) return refusal;
    const allowed = await allowCommandLine(person, asked.challenge, call.services);
    if (allowed.outcome === 'signed-out') return seeOther('/login');
    const { code } = allowed;
    const url = `http://127.0.0.1:${asked.port}/?${new URLSearchParams({ code, state: asked.state })}`;
    // Not a redirect: browsers hold those after a form to where forms may go, which is us alone.
    return pageAnswer(
      'Back to the command line',
      html`<p>If this page stays, <a href="${url}">go on to the command line</a> within two minutes.</p>`,
      { more: { refresh: `0; url=${url}` } },
    );
  },
};

/** For the command line itself, which has no cookie and needs none: the code and what belongs to it are the proof. */
export const commandLineKey: Page = {
  method: 'POST',
  path: '/command-line/key',
  from: 'programs',
  async handle({ form, services, requestId }) {
    const name = nameSchema.safeParse(form.get('name'));
    if (!name.success)
      fail('VALIDATION_FAILED', { errors: [{ pointer: '/name', detail: name.error.issues[0]!.message }] });
    const given = { code: form.get('code'), verifier: form.get('verifier'), name: name.data };
    const exchanged = await exchangeCode(given, requestId, services);
    if (exchanged === 'refused')
      fail('LINK_USED_UP', 'The code was used, has expired, or is not this command’s.');
    if (exchanged === 'too-many') fail('TOO_MANY_KEYS');
    const { secret, email, key } = exchanged;
    const { id, tenantId, role, expiresAt } = key;
    return Response.json(
      { id, secret, email, tenantId, role, expiresAt },
      { headers: { 'cache-control': 'no-store' } },
    );
  },
};

/** Where the command line gives such a key back, when its person logs out: whatever the role, for it is theirs. */
export const commandLineKeyEnd: Page = {
  method: 'POST',
  path: '/command-line/key/revoke',
  from: 'programs',
  async handle({ request, source, services, requestId, state }) {
    const actor = await authenticate(request.headers.get('authorization') ?? undefined, source, services);
    state.actorId = actor.id;
    const { id, userId } = actor;
    if (userId === null)
      fail('FORBIDDEN', 'This key is nobody’s: DELETE /v1/application-keys/{id} revokes it.');
    await revokePersonalKey({ id, userId }, actor, requestId, services);
    return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
  },
};

function readAsked(get: (name: string) => string): Asked {
  const [port, state, challenge] = [get('port'), get('state'), get('challenge')];
  const name = nameSchema.safeParse(get('name'));
  const isToken = (text: string) => /^[\w-]{43}$/.test(text);
  const isPort = /^\d{4,5}$/.test(port) && Number(port) <= 65_535;
  if (!isPort || !isToken(state) || !isToken(challenge) || !name.success)
    fail('VALIDATION_FAILED', 'This is not what `spokecast login --browser` asks. Run it again.');
  return { port, state, challenge, name: name.data };
}

/** Who has just signed in on the way here is not asked for the password once more. */
async function question(
  person: SignedIn,
  { port, state, challenge, name }: Asked,
  services: Services,
  shown: { wrong?: string[]; status?: number; more?: Record<string, string> | undefined } = {},
): Promise<Response> {
  const { user, scope, session } = person;
  if (!scope) fail('FORBIDDEN', whyNowhere(person));
  const { hasPassword } = await waysIn(services.database.db, user.id);
  const asksPassword = hasPassword && !signedInLately(session.createdAt.getTime(), services);
  const { wrong = [], status = 200, more = {} } = shown;
  return pageAnswer(
    'Let the command line act as you?',
    html`${faults(wrong)}<p><code>spokecast login</code> on this machine asks for an application key of yours, called “${name}”.
It could do what you can as ${scope.role} of ${scope.name}, for ${commandLineDays} days. You are ${user.email}.</p>
<p>Go on only if you have just run it yourself. To act elsewhere, <a href="/account">choose where you act</a> first.</p>
<form method="post" action="/command-line">
${Object.entries({ port, state, challenge, name }).map(([field, value]) => html`<input type="hidden" name="${field}" value="${value}">`)}
${asksPassword ? passwordField('Present password', 'present') : ''}
<p><button type="submit">Let it</button> <a href="/account">Do not</a></p>
</form>`,
    { status, more },
  );
}
