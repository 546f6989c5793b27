import { html } from 'hono/html';
import { roles } from '../../auth/actor.ts';
import { waysIn } from '../../auth/identities.ts';
import { keyDays, personalKeys } from '../../auth/personal-keys.ts';
import { type Scope, type SignedIn, scopeKey } from '../../auth/sessions.ts';
import type { Services } from '../../services.ts';
import type { Html } from '../layout.ts';
import { hidden } from '../parts/fields.ts';
import { table } from '../parts/table.ts';
import { moment, passwordField } from './fields.ts';

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
    : table({
        caption: 'Your application keys',
        head: ['Name', 'Of', 'Role', 'Ends', 'Last used', 'Revoke'],
        rows: keys.map((key) => [
          key.name,
          scopeName(key.tenantId),
          key.role,
          key.expiresAt ? moment(key.expiresAt) : 'never',
          key.lastUsedAt ? moment(key.lastUsedAt) : 'never',
          html`<form method="post" action="/account/keys/revoke">${hidden('key', key.id)}<button type="submit">Revoke</button></form>`,
        ]),
        empty: '',
      })
}
${scope ? newKeyForm(scope, await waysIn(services.database.db, user.id), services) : ''}</section>`;
}

function newKeyForm(
  { tenantId, name, role }: Scope,
  { hasPassword }: { hasPassword: boolean },
  { random }: Services,
): Html {
  const within = roles.slice(roles.indexOf(role)).reverse(); // the least first: that is what stands chosen
  const key = `${scopeKey(tenantId)}.${Buffer.from(random.bytes(16)).toString('hex')}`;
  return html`<form method="post" action="/account/keys">${hidden('idempotencyKey', key)}
<p><label for="key-name">New key for ${name}, called</label><br><input id="key-name" name="name" required maxlength="120"></p>
<p><label for="key-role">Role</label><br><select id="key-role" name="role">${within.map((one) => html`<option>${one}</option>`)}</select></p>
<p><label for="key-days">Ends after</label><br><select id="key-days" name="days">${keyDays.map((days) => html`<option value="${days}">${days} days</option>`)}</select></p>
${hasPassword ? passwordField('Present password', 'present', 'present-for-key') : ''}
<p><button type="submit">Make a key</button></p>
</form>`;
}
