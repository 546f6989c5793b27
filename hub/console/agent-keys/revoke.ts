import { html } from 'hono/html';
import { deleteAgentKey } from '../../api/agent-keys/delete.ts';
import { getAgentKey } from '../../api/agent-keys/get.ts';
import { removalScreens } from '../parts/removal.ts';

export const [keyRevocationForm, keyRevocation] = removalScreens({
  path: '/agent-keys/{id}',
  verb: 'revoke',
  submit: 'Revoke agent key',
  read: getAgentKey,
  remove: deleteAgentKey,
  consequences: () =>
    html`<p><strong>Every gateway refuses the key within a second</strong>, with all its secrets. There is no way back. To stop it for a while, disable it instead.</p>`,
  afterwards: ({ clusterId }) => `/clusters/${clusterId}`,
  told: 'revoked',
  followed: true,
});
