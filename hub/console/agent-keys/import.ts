import { html } from 'hono/html';
import { importAgentKey } from '../../api/agent-keys/import.ts';
import { afterChange } from '../parts/done.ts';
import { hidden, textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import { Mistakes } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';
import { clusterField } from './create.ts';
import { boundFields, nameField } from './fields.ts';
import { fieldOf, toBody, typedIn } from './typed.ts';

export const keyImportForm: Screen = {
  method: 'GET',
  path: '/agent-keys/import',
  handle: async (view) => shown(view, { clusterId: view.url.searchParams.get('clusterId') ?? '' }, undefined),
};

export const keyImport: Screen = {
  method: 'POST',
  path: '/agent-keys/import',
  async handle(view) {
    const { api, form } = view;
    const [clusterId, secretSha256] = [form.get('clusterId').trim(), form.get('secretSha256').trim()];
    const typed = { ...typedIn(form), clusterId, secretSha256 };
    const made = await api.call(importAgentKey, {
      body: { name: '', ...toBody(typed), clusterId, secretSha256 },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, typed, new Mistakes(made.problem, fieldOf));
    return afterChange(`/agent-keys/${made.body.id}`, 'imported', made.fence);
  },
};

function shown(view: View, typed: Typed, mistakes: Mistakes | undefined) {
  const hash = textField({
    ...{ name: 'secretSha256', value: typed.secretSha256 ?? '', required: true, code: true, mistakes },
    label: 'SHA-256 of the secret',
    hint: html`Of all of it, as agents send it: 64 hex digits, or 43 characters of base64url. Never the secret itself. In a shell: <code>printf %s "$SECRET" | sha256sum</code>`,
  });
  return {
    title: 'Import an agent key',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<p>Agents go on with the secret they have, which the hub never sees. Only gateways that run with <code>SPOKECAST_IMPORTED_KEYS=looked-up</code> let it in; once it is rotated, all do.</p><form method="post" action="/agent-keys/import" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${clusterField(typed.clusterId ?? '', mistakes)}${nameField(typed, mistakes)}${hash}${boundFields(typed, mistakes)}<p class="actions"><button class="primary">Import agent key</button> <a href="/agent-keys">Cancel</a></p></form>`,
  };
}
