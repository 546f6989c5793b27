import { html } from 'hono/html';
import { deleteAgentKey } from '../../api/agent-keys/delete.ts';
import { getAgentKey } from '../../api/agent-keys/get.ts';
import { rotateAgentKey } from '../../api/agent-keys/rotate.ts';
import { updateAgentKey } from '../../api/agent-keys/update.ts';
import { confirmation, notConfirmed } from '../parts/confirm.ts';
import { afterChange } from '../parts/done.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { needed, type Screen, type View } from '../screen.ts';
import { secretOf } from './secret.ts';

export const keyStatus: Screen = {
  method: 'POST',
  path: '/agent-keys/{id}/status',
  async handle({ api, form, params }) {
    const changed = await api.call(updateAgentKey, {
      params: { id: params.id },
      body: { status: form.get('status') },
      ifMatch: form.given('ifMatch'),
    });
    return afterChange(`/agent-keys/${params.id}`, 'changed', needed(changed).fence);
  },
};

export const keyRotation: Screen = {
  method: 'POST',
  path: '/agent-keys/{id}/rotate',
  async handle({ api, form, params }) {
    const rotated = await api.call(rotateAgentKey, {
      params: { id: params.id },
      body: { graceSeconds: Number(form.get('graceSeconds')) },
      idempotencyKey: form.given('idempotencyKey'),
    });
    return { title: `Agent key ${needed(rotated).body.name}`, content: secretOf(needed(rotated), 'rotated') };
  },
};

export const keyRevocationForm: Screen = {
  method: 'GET',
  path: '/agent-keys/{id}/revoke',
  handle: (view) => revocation(view, undefined),
};

export const keyRevocation: Screen = {
  method: 'POST',
  path: '/agent-keys/{id}/revoke',
  async handle(view) {
    const { name, clusterId } = needed(
      await view.api.call(getAgentKey, { params: { id: view.params.id } }),
    ).body;
    const mistakes = notConfirmed(view, name);
    if (mistakes) return revocation(view, mistakes);
    const gone = await view.api.call(deleteAgentKey, {
      params: { id: view.params.id },
      ifMatch: view.form.given('ifMatch'),
    });
    if (gone.outcome === 'refused') return revocation(view, new Mistakes(gone.problem));
    return afterChange(`/clusters/${clusterId}`, 'revoked', gone.fence);
  },
};

async function revocation({ api, params }: View, mistakes: Mistakes | undefined) {
  const { body, etag } = needed(await api.call(getAgentKey, { params: { id: params.id } }));
  return {
    title: `Revoke ${body.name}`,
    status: mistakes?.problem.status ?? 200,
    content: confirmation({
      ...{ etag, mistakes, name: body.name },
      action: `/agent-keys/${body.id}/revoke`,
      consequences: html`<p><strong>Every gateway refuses the key within a second</strong>, with all its secrets. There is no way back. To stop it for a while, disable it instead.</p>`,
      submit: 'Revoke agent key',
      cancel: `/agent-keys/${body.id}`,
    }),
  };
}
