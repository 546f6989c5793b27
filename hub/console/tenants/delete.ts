import { html } from 'hono/html';
import { deleteTenant } from '../../api/tenants/delete.ts';
import { getTenant } from '../../api/tenants/get.ts';
import { removalScreens } from '../parts/removal.ts';

export const [tenantDeletionForm, tenantDeletion] = removalScreens({
  path: '/tenants/{id}',
  verb: 'delete',
  submit: 'Delete tenant',
  read: getTenant,
  remove: deleteTenant,
  consequences: () =>
    html`<p><strong>The tenant goes with its application keys.</strong> For some weeks it can be <a href="/deletions">brought back</a> as it was. To stop it for a while, suspend it instead.</p>`,
  more: {
    content: html`<div class="field"><label class="tick"><input type="checkbox" name="cascade" value="true"> Its clusters and all their agent keys go too</label></div>`,
    query: (form): Record<string, string> => (form.get('cascade') ? { cascade: 'true' } : {}),
  },
  afterwards: () => '/tenants',
  told: 'deleted',
  followed: true,
});
