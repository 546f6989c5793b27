import { html } from 'hono/html';
import { deleteRegion } from '../../api/regions/delete.ts';
import { getRegion } from '../../api/regions/get.ts';
import { createSeeding } from '../../api/seedings/create.ts';
import { createSweep } from '../../api/sweeps/create.ts';
import { confirmation, notConfirmed } from '../parts/confirm.ts';
import { afterChange } from '../parts/done.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { needed, type Screen, type View } from '../screen.ts';

export const regionSweep: Screen = {
  method: 'POST',
  path: '/regions/{id}/sweep',
  async handle({ api, params }) {
    needed(await api.call(createSweep, { body: { region: params.id } }));
    return { redirect: `/regions/${params.id}?done=requested` };
  },
};

export const regionSeeding: Screen = {
  method: 'POST',
  path: '/regions/{id}/seed',
  async handle({ api, params }) {
    needed(await api.call(createSeeding, { body: { region: params.id } }));
    return { redirect: `/regions/${params.id}?done=requested` };
  },
};

export const regionRemovalForm: Screen = {
  method: 'GET',
  path: '/regions/{id}/remove',
  handle: (view) => removal(view, undefined),
};

export const regionRemoval: Screen = {
  method: 'POST',
  path: '/regions/{id}/remove',
  async handle(view) {
    const { api, form, params } = view;
    const mistakes = notConfirmed(view, params.id!);
    if (mistakes) return removal(view, mistakes);
    const gone = await api.call(deleteRegion, {
      params: { id: params.id },
      ifMatch: form.given('ifMatch'),
      ...(form.get('force') ? { query: { force: 'true' } } : {}),
    });
    if (gone.outcome === 'refused') return removal(view, new Mistakes(gone.problem));
    return afterChange('/regions', 'deleted', gone.fence);
  },
};

async function removal({ api, params }: View, mistakes: Mistakes | undefined) {
  const { body, etag } = needed(await api.call(getRegion, { params: { id: params.id } }));
  return {
    title: `Remove ${body.id}`,
    status: mistakes?.problem.status ?? 200,
    content: confirmation({
      ...{ etag, mistakes, name: body.id },
      action: `/regions/${body.id}/remove`,
      consequences: html`<p><strong>The hub forgets the region</strong>, and nothing reaches it any more: no revocation either. Its table (<code>${body.store?.table ?? ''}</code>) stays, and its gateways go on answering from it. End them, then delete the table with the tools of your store.</p>`,
      more: html`<div class="field"><label class="tick"><input type="checkbox" name="force" value="true"> Also where clusters are placed in it; their placements here end</label></div>`,
      submit: 'Remove region',
      cancel: `/regions/${body.id}`,
    }),
  };
}
