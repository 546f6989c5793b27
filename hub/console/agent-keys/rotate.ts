import { rotateAgentKey } from '../../api/agent-keys/rotate.ts';
import { needed, type Screen } from '../screen.ts';
import { secretOf } from './secret.ts';

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
