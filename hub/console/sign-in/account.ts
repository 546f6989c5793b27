import { html } from 'hono/html';
import { waysIn } from '../../auth/identities.ts';
import { type SignedIn, scopeKey, sessionsOf } from '../../auth/sessions.ts';
import type { Services } from '../../services.ts';
import { type Html, pageAnswer } from '../layout.ts';
import type { Page } from '../page.ts';
import { hidden } from '../parts/fields.ts';
import { table } from '../parts/table.ts';
import { faults, hiddenEmail, moment, newPasswordField, passwordField } from './fields.ts';
import { keysSection } from './keys.ts';
import { whoIsSignedIn } from './login.ts';

export const accountPage: Page = {
  method: 'GET',
  path: '/account',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    return instead ?? accountAnswer(person, call.services);
  },
};

/** A person's own page, also where something they entered on it was wrong. */
export async function accountAnswer(
  person: SignedIn,
  services: Services,
  shown: { wrong?: string[]; status?: number; more?: Record<string, string> } = {},
): Promise<Response> {
  const { wrong = [], ...rest } = shown;
  const content = html`${faults(wrong)}
<p>${person.user.name}, ${person.user.email}
<form method="post" action="/logout"><button type="submit">Sign out</button></form></p>
${person.scope ? html`<p><a href="/">To the overview</a></p>` : ''}
${scopesSection(person)}
${await waysInSection(person, services)}
${await keysSection(person, services)}
${await sessionsSection(person, services)}`;
  return pageAnswer('Your account', content, rest);
}

function scopesSection({ scopes, scope }: SignedIn): Html {
  if (scopes.length === 0)
    return html`<section><h2>What you belong to</h2>
<p>Nothing, at the moment. Somebody who owns a tenant or the platform can invite you.</p></section>`;
  return html`<section><h2>What you belong to</h2>
${scope ? '' : html`<p><strong>You belong no more to where you acted. Choose where you act now.</strong></p>`}
<ul>${scopes.map(
    (one) => html`<li>${one.name}: ${one.role}
${
  one === scope
    ? html`<strong>(you act here)</strong>`
    : html`<form method="post" action="/account/scope"><input type="hidden" name="scope" value="${scopeKey(one.tenantId)}">
<button type="submit">Act here</button></form>`
}</li>`,
  )}</ul></section>`;
}

/** How the person can sign in: by a password, where one was chosen, and by the provider. */
async function waysInSection({ user }: SignedIn, services: Services): Promise<Html> {
  const { hasPassword, isLinked } = await waysIn(services.database.db, user.id);
  const provider = services.oidc?.provider.settings.name;
  return html`<section><h2>How you sign in</h2>
${
  provider === undefined
    ? ''
    : isLinked
      ? html`<p>With ${provider}.</p>`
      : html`<form method="post" action="/account/oidc">
${hasPassword ? passwordField('Your password', 'present', 'present-to-link') : ''}
<p><button type="submit">Sign in with ${provider} from now on</button></p>
</form>`
}
${
  hasPassword
    ? html`<form method="post" action="/account/password">
<p>With a password. Changing it signs you out everywhere else.</p>
${hiddenEmail(user.email)}
${passwordField('Present password', 'present')}
${newPasswordField()}
<p><button type="submit">Change the password</button></p>
</form>`
    : ''
}</section>`;
}

async function sessionsSection({ user, session }: SignedIn, services: Services): Promise<Html> {
  const all = await sessionsOf(services.database.db, user.id, services);
  return html`<section><h2>Where you are signed in</h2>
${table({
  caption: 'Where you are signed in',
  head: ['Browser', 'Network', 'Since', 'Last seen', 'Sign out'],
  rows: all.map((one) => [
    one.userAgent || 'unknown',
    html`<span class="whole">${one.source}</span>`,
    moment(one.createdAt),
    moment(one.lastSeenAt),
    one.id === session.id
      ? 'this one'
      : html`<form method="post" action="/account/sessions/end">${hidden('session', one.id)}<button type="submit">Sign out</button></form>`,
  ]),
  empty: '',
})}
<form method="post" action="/account/sessions/end-all"><button type="submit">Sign out everywhere</button></form></section>`;
}
