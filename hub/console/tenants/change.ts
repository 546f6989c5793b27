import { html } from 'hono/html';
import { deleteTenant } from '../../api/tenants/delete.ts';
import { getTenant } from '../../api/tenants/get.ts';
import { updateTenant } from '../../api/tenants/update.ts';
import { confirmation, notConfirmed } from '../parts/confirm.ts';
import { afterChange } from '../parts/done.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { needed, type Screen, type View } from '../screen.ts';

export const tenantStatus: Screen = {
  method: 'POST',
  path: '/tenants/{id}/status',
  async handle({ api, form, params }) {
    const changed = await api.call(updateTenant, {
      params: { id: params.id },
      body: { status: form.get('status') },
      ifMatch: form.given('ifMatch'),
    });
    return afterChange(`/tenants/${params.id}`, 'changed', needed(changed).fence);
  },
};

export const tenantDeletionForm: Screen = {
  method: 'GET',
  path: '/tenants/{id}/delete',
  handle: (view) => shown(view, undefined),
};

export const tenantDeletion: Screen = {
  method: 'POST',
  path: '/tenants/{id}/delete',
  async handle(view) {
    const { api, form, params } = view;
    const mistakes = notConfirmed(
      view,
      needed(await api.call(getTenant, { params: { id: params.id } })).body.name,
    );
    if (mistakes) return shown(view, mistakes);
    const gone = await api.call(deleteTenant, {
      params: { id: params.id },
      ifMatch: form.given('ifMatch'),
      ...(form.get('cascade') ? { query: { cascade: 'true' } } : {}),
    });
    if (gone.outcome === 'refused') return shown(view, new Mistakes(gone.problem));
    return afterChange('/tenants', 'deleted', gone.fence);
  },
};

async function shown({ api, params }: View, mistakes: Mistakes | undefined) {
  const { body, etag } = needed(await api.call(getTenant, { params: { id: params.id } }));
  return {
    title: `Delete ${body.name}`,
    status: mistakes?.problem.status ?? 200,
    content: confirmation({
      ...{ etag, mistakes, name: body.name },
      action: `/tenants/${body.id}/delete`,
      consequences: html`<p><strong>The tenant goes with its application keys.</strong> For some weeks it can be <a href="/deletions">brought back</a> as it was. To stop it for a while, suspend it instead.</p>`,
      more: html`<div class="field"><label class="tick"><input type="checkbox" name="cascade" value="true"> Its clusters and all their agent keys go too</label></div>`,
      submit: 'Delete tenant',
      cancel: `/tenants/${body.id}`,
    }),
  };
}
