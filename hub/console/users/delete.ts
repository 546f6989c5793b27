import { html } from 'hono/html';
import { deleteUser } from '../../api/users/delete.ts';
import { getUser } from '../../api/users/get.ts';
import { removalScreens } from '../parts/removal.ts';

export const [userDeletionForm, userDeletion] = removalScreens({
  path: '/users/{id}',
  verb: 'delete',
  submit: 'Delete',
  read: getUser,
  remove: deleteUser,
  typed: ({ email }) => email,
  consequences: () =>
    html`<p><strong>They are signed out everywhere</strong> and cannot sign in again. What they did stays in the audit log.</p>`,
  afterwards: () => '/users',
  told: 'deleted',
  followed: false,
});
