import { html } from 'hono/html';
import { createApplicationKey } from '../../api/application-keys/create.ts';
import { hidden, selectField, textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { shownOnce } from '../parts/secret.ts';
import { asTime } from '../parts/times.ts';
import type { Screen, View } from '../screen.ts';
import { meantTenant } from '../tenants/choice.ts';
import { roleChoices } from '../users/roles.ts';

const fields = ['name', 'role', 'tenantId', 'expiresAt'] as const;

export const applicationKeyForm: Screen = {
  method: 'GET',
  path: '/application-keys/new',
  handle: async (view) =>
    shown(view, { role: 'viewer', tenantId: view.url.searchParams.get('tenantId') ?? '' }, undefined),
};

/** The answer is the page with the secret itself: an address to go on to would have to carry it. */
export const applicationKeyCreation: Screen = {
  method: 'POST',
  path: '/application-keys/new',
  async handle(view) {
    const { api, form } = view;
    const typed = Object.fromEntries(fields.map((name) => [name, form.get(name).trim()]));
    const made = await api.call(createApplicationKey, {
      body: {
        ...{ name: typed.name, role: typed.role },
        ...(typed.tenantId ? { tenantId: await meantTenant(view, typed.tenantId) } : {}),
        ...(typed.expiresAt ? { expiresAt: asTime(typed.expiresAt) } : {}),
      },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, typed, new Mistakes(made.problem));
    const { id, name, secret } = made.body;
    const lost = html`<strong>The key was created already</strong>, and its secret was shown then. If nobody copied it, revoke the key and create another.`;
    return {
      title: `Application key ${name}`,
      content: html`${shownOnce(secret, 'The key is created. Copy its secret now:', lost)}<p>Programs send it as <code>authorization: Bearer …</code>; the command line takes it with <code>spokecast login</code>.</p><p><a href="/application-keys/${id}">To the key</a></p>`,
    };
  },
};

function shown(view: View, typed: Typed, mistakes: Mistakes | undefined) {
  const at = (name: (typeof fields)[number]) => ({ name, value: typed[name] ?? '', mistakes });
  const tenant =
    view.person.actor.tenantId === null
      ? textField({
          ...at('tenantId'),
          label: 'Tenant',
          hint: 'Its name or id, to confine the key to it; empty for the platform.',
        })
      : '';
  return {
    title: 'New application key',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<form method="post" action="/application-keys/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${textField({ ...at('name'), label: 'Name', required: true, hint: 'For people: which program has it.' })}${selectField({ ...at('role'), label: 'Role', hint: 'The least that does: a key in the wrong hands can do as much.', choices: roleChoices })}${tenant}${textField({ ...at('expiresAt'), label: 'Expires, in UTC', type: 'datetime-local', hint: 'Empty for never.' })}<p class="actions"><button class="primary">Create application key</button> <a href="/application-keys">Cancel</a></p></form>`,
  };
}
