import { html } from 'hono/html';
import { type Role, roles } from '../../auth/actor.ts';
import { keyDays, makePersonalKey, personalKeys, revokePersonalKey } from '../../auth/personal-keys.ts';
import { isStillSignedIn, type SignedIn, whyNowhere } from '../../auth/sessions.ts';
import { inTransaction } from '../../data/transaction.ts';
import { name as nameSchema } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import type { Services } from '../../services.ts';
import { type Html, pageAnswer } from '../layout.ts';
import { type Page, seeOther } from '../page.ts';
import { moment } from './fields.ts';
import { whoIsSignedIn } from './login.ts';

/** A person's own application keys, on the page `/account`. */
export async function keysSection({ user, scope, scopes }: SignedIn, services: Services): Promise<Html> {
  const keys = await personalKeys(services.database.db, user.id);
  const scopeName = (tenantId: string | null) =>
    scopes.find((one) => one.tenantId === tenantId)?.name ?? 'nothing you belong to';
  return html`<section><h2>Your application keys</h2>
<p>A key of yours can do no more than you can, and ends with your membership.</p>
${
  keys.length === 0
    ? ''
    : html`<table>
<thead><tr><th scope="col">Name</th><th scope="col">Of</th><th scope="col">Role</th><th scope="col">Ends</th><th scope="col">Last used</th><th scope="col">Revoke</th></tr></thead>
<tbody>${keys.map(
        (key) => html`<tr><td>${key.name}</td><td>${scopeName(key.tenantId)}</td><td>${key.role}</td>
<td>${key.expiresAt ? moment(key.expiresAt) : 'never'}</td><td>${key.lastUsedAt ? moment(key.lastUsedAt) : 'never'}</td>
<td><form method="post" action="/account/keys/revoke"><input type="hidden" name="key" value="${key.id}">
<button type="submit">Revoke</button></form></td></tr>`,
      )}</tbody></table>`
}
${scope ? newKeyForm(scope) : ''}</section>`;
}

function newKeyForm({ name, role }: { name: string; role: Role }): Html {
  const within = roles.slice(roles.indexOf(role));
  return html`<form method="post" action="/account/keys">
<p><label for="key-name">New key for ${name}, called</label><br><input id="key-name" name="name" required maxlength="120"></p>
<p><label for="key-role">Role</label><br><select id="key-role" name="role">${within.map((one) => html`<option>${one}</option>`)}</select></p>
<p><label for="key-days">Ends after</label><br><select id="key-days" name="days">${keyDays.map((days) => html`<option value="${days}">${days} days</option>`)}</select></p>
<p><button type="submit">Make a key</button></p>
</form>`;
}

export const makeKeyForm: Page = {
  method: 'POST',
  path: '/account/keys',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { form, services, requestId } = call;
    const { user, scope } = person;
    const name = nameSchema.safeParse(form.get('name'));
    const role = roles.find((one) => one === form.get('role'));
    const days = keyDays.find((one) => String(one) === form.get('days'));
    if (!name.success || role === undefined || days === undefined)
      fail('VALIDATION_FAILED', `A key needs a name, a role, and one of ${keyDays.join(', ')} days.`);
    if (!scope) fail('FORBIDDEN', whyNowhere(person));
    const wanted = { scope, role, days, name: name.data };
    const made = await inTransaction(services, async (db) =>
      (await isStillSignedIn(db, person))
        ? makePersonalKey(db, user, wanted, requestId, services)
        : 'signed-out',
    );
    if (made === 'signed-out') return seeOther('/login');
    if (made === 'too-many') fail('TOO_MANY_KEYS');
    return pageAnswer(
      'Your new key',
      html`<p>This is the key, shown this once and kept nowhere:</p>
<p><code>${made.secret}</code></p>
<p><a href="/account">I have it</a></p>`,
    );
  },
};

export const revokeKeyForm: Page = {
  method: 'POST',
  path: '/account/keys/revoke',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { user } = person;
    const key = { id: call.form.get('key'), userId: user.id };
    await revokePersonalKey(key, user, call.requestId, call.services);
    return seeOther('/account');
  },
};
