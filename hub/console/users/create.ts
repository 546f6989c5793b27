import { html } from 'hono/html';
import { createUser } from '../../api/users/create.ts';
import { hidden, selectField, textField } from '../parts/fields.ts';
import { Mistakes } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';
import { meantTenant } from '../tenants/choice.ts';
import { roleChoices } from './roles.ts';

const fields = ['email', 'name', 'role', 'tenantId'] as const;

export const userForm: Screen = {
  method: 'GET',
  path: '/users/new',
  handle: async (view) => shown(view, { role: 'viewer' }, undefined),
};

/** The answer is the page with the link itself, which is a secret. */
export const userCreation: Screen = {
  method: 'POST',
  path: '/users/new',
  async handle(view) {
    const { api, form } = view;
    const typed = Object.fromEntries(fields.map((name) => [name, form.get(name).trim()]));
    const tenantId = typed.tenantId ? { tenantId: await meantTenant(view, typed.tenantId) } : {};
    const made = await api.call(createUser, {
      body: {
        email: typed.email,
        ...(typed.name ? { name: typed.name } : {}),
        memberships: [{ role: typed.role, ...tenantId }],
      },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, typed, new Mistakes(made.problem, fieldOf));
    const { id, secret, email } = made.body;
    return {
      title: 'Invited',
      content: html`${
        secret
          ? html`<div class="notice good" role="status"><p><strong>Hand this link to ${email} now:</strong> it works once, and nobody can see it again.</p></div><p class="secret"><code id="secret">${secret}</code> <button type="button" data-copy="secret" hidden>Copy</button></p>`
          : html`<div class="notice warn" role="alert"><p>They were invited already, and the link was shown then.</p></div>`
      }<p><a href="/users/${id}">To ${email}</a></p>`,
    };
  },
};

function fieldOf(pointer: string): string | undefined {
  const parts = pointer.split('/');
  return parts[1] === 'memberships' ? (parts[3] ?? 'role') : parts[1];
}

function shown(view: View, typed: Record<string, string>, mistakes: Mistakes | undefined) {
  const at = (name: (typeof fields)[number]) => ({ name, value: typed[name] ?? '', mistakes });
  const tenant =
    view.person.actor.tenantId === null
      ? textField({ ...at('tenantId'), label: 'Tenant', hint: 'Its name or id; empty for the platform.' })
      : '';
  return {
    title: 'Invite somebody',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<form method="post" action="/users/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${textField({ ...at('email'), label: 'Email address', type: 'email', required: true })}${textField({ ...at('name'), label: 'Name', hint: 'Until they say otherwise.' })}${selectField({ ...at('role'), label: 'Role', choices: roleChoices })}${tenant}<p class="actions"><button class="primary">Invite</button> <a href="/users">Cancel</a></p></form>`,
  };
}
