import { html } from 'hono/html';
import { deleteRegion } from '../../api/regions/delete.ts';
import { getRegion } from '../../api/regions/get.ts';
import { createSeeding } from '../../api/seedings/create.ts';
import { createSweep } from '../../api/sweeps/create.ts';
import { removalScreens } from '../parts/removal.ts';
import { needed, type Screen } from '../screen.ts';

export const regionSweep: Screen = {
  method: 'POST',
  path: '/regions/{id}/sweep',
  async handle({ api, form, params }) {
    const idempotencyKey = form.given('idempotencyKey');
    needed(await api.call(createSweep, { body: { region: params.id }, idempotencyKey }));
    return { redirect: `/regions/${params.id}?done=requested` };
  },
};

export const regionSeeding: Screen = {
  method: 'POST',
  path: '/regions/{id}/seed',
  async handle({ api, form, params }) {
    const idempotencyKey = form.given('idempotencyKey');
    needed(await api.call(createSeeding, { body: { region: params.id }, idempotencyKey }));
    return { redirect: `/regions/${params.id}?done=requested` };
  },
};

export const [regionRemovalForm, regionRemoval] = removalScreens({
  path: '/regions/{id}',
  verb: 'remove',
  submit: 'Remove region',
  read: getRegion,
  remove: deleteRegion,
  consequences: ({ store }) =>
    html`<p><strong>The hub forgets the region</strong>, and nothing reaches it any more: no revocation either. Its table (<code>${store?.table ?? ''}</code>) stays, and its gateways go on answering from it. End them, then delete the table with the tools of your store.</p>`,
  more: {
    content: html`<div class="field"><label class="tick"><input type="checkbox" name="force" value="true"> Also where clusters are placed in it; their placements here end</label></div>`,
    query: (form): Record<string, string> => (form.get('force') ? { force: 'true' } : {}),
  },
  afterwards: () => '/regions',
  told: 'deleted',
  followed: true,
});
