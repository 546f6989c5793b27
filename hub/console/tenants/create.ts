import { html } from 'hono/html';
import { createTenant } from '../../api/tenants/create.ts';
import { afterChange } from '../parts/done.ts';
import { hidden, textField } from '../parts/fields.ts';
import { Mistakes } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';

export const tenantForm: Screen = {
  method: 'GET',
  path: '/tenants/new',
  handle: async (view) => shown(view, '', undefined),
};

export const tenantCreation: Screen = {
  method: 'POST',
  path: '/tenants/new',
  async handle(view) {
    const name = view.form.get('name');
    const made = await view.api.call(createTenant, {
      body: { name },
      idempotencyKey: view.form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, name, new Mistakes(made.problem));
    return afterChange(`/tenants/${made.body.id}`, 'created', made.fence);
  },
};

function shown(view: View, value: string, mistakes: Mistakes | undefined) {
  return {
    title: 'New tenant',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<form method="post" action="/tenants/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${textField({ name: 'name', label: 'Name', value, required: true, mistakes })}<p class="actions"><button class="primary">Create tenant</button> <a href="/tenants">Cancel</a></p></form>`,
  };
}
