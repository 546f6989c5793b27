import { html } from 'hono/html';
import { createAgentKey } from '../../api/agent-keys/create.ts';
import { hidden, textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { may, type Screen, type View } from '../screen.ts';
import { boundFields, nameField } from './fields.ts';
import { secretOf } from './secret.ts';
import { fieldOf, toBody, typedIn } from './typed.ts';

export const keyForm: Screen = {
  method: 'GET',
  path: '/agent-keys/new',
  handle: async (view) => shown(view, { clusterId: view.url.searchParams.get('clusterId') ?? '' }, undefined),
};

/** The answer is the page with the secret itself: an address to go on to would have to carry it. */
export const keyCreation: Screen = {
  method: 'POST',
  path: '/agent-keys/new',
  async handle(view) {
    const { api, form } = view;
    const clusterId = form.get('clusterId').trim();
    const typed = { ...typedIn(form), clusterId };
    const made = await api.call(createAgentKey, {
      body: { name: '', ...toBody(typed), clusterId },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, typed, new Mistakes(made.problem, fieldOf));
    return { title: `Agent key ${made.body.name}`, content: secretOf(made, 'created') };
  },
};

function shown(view: View, typed: Typed, mistakes: Mistakes | undefined) {
  const isBound = ['expiresAt', 'permissions', 'networks', 'limit', 'windowSeconds'].some(
    (name) => typed[name] || mistakes?.of(name),
  );
  const clusterId = typed.clusterId ?? '';
  const elsewhere = may(view, 'agent-keys.import')
    ? html`<p class="hint">Do agents have secrets already? <a href="/agent-keys/import?clusterId=${clusterId}">Import a key by the hash of its secret</a>, and no agent is touched.</p>`
    : '';
  return {
    title: 'New agent key',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<form method="post" action="/agent-keys/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${clusterField(clusterId, mistakes)}${nameField(typed, mistakes)}<details class="more"${isBound ? html` open` : ''}><summary>Bounds</summary>${boundFields(typed, mistakes)}</details><p class="actions"><button class="primary">Create agent key</button> <a href="/agent-keys">Cancel</a></p></form>${elsewhere}`,
  };
}

export function clusterField(value: string, mistakes: Mistakes | undefined) {
  const hint = html`Its id, as the <a href="/clusters">cluster’s page</a> shows it.`;
  return textField({
    name: 'clusterId',
    label: 'Cluster',
    value,
    required: true,
    code: true,
    mistakes,
    hint,
  });
}
