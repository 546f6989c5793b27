import { html } from 'hono/html';
import { deleteApplicationKey } from '../../api/application-keys/delete.ts';
import { getApplicationKey } from '../../api/application-keys/get.ts';
import { removalScreens } from '../parts/removal.ts';

export const [applicationKeyRevocationForm, applicationKeyRevocation] = removalScreens({
  path: '/application-keys/{id}',
  verb: 'revoke',
  submit: 'Revoke application key',
  read: getApplicationKey,
  remove: deleteApplicationKey,
  consequences: () =>
    html`<p><strong>Every program that has it is refused at once.</strong> There is no way back. To stop it for a while, disable it instead.</p>`,
  afterwards: () => '/application-keys',
  told: 'deleted',
  followed: false,
});
