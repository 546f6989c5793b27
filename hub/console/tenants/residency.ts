import { html } from 'hono/html';
import { getTenant } from '../../api/tenants/get.ts';
import { getTenantResidency } from '../../api/tenants/residency.ts';
import { pager, table } from '../parts/table.ts';
import { state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';

/** Where a tenant's data is, read from the stores of all regions. */
export const residencyPage: Screen = {
  method: 'GET',
  path: '/tenants/{id}/residency',
  async handle(view) {
    const { api, params, url } = view;
    const { body: tenant } = needed(await api.call(getTenant, { params }));
    const query = { cursor: url.searchParams.get('cursor') ?? undefined };
    const { body } = needed(await api.call(getTenantResidency, { params, query }));
    const outside = body.items.filter((one) => one.outside.length > 0).length;
    const unproven = body.items.filter((one) => one.unproven.length > 0).length;
    const said =
      outside > 0
        ? html`<div class="notice bad" role="status"><p><strong>${outside} of the contexts below are where they must not be.</strong> A sweep of that region removes them; if it does not, see <a href="/quarantine">what is held</a>.</p></div>`
        : unproven > 0
          ? html`<div class="notice warn" role="status"><p><strong>Nothing was found outside, but ${unproven} of the contexts below were not looked for everywhere:</strong> a store did not answer, or its region is disabled.</p></div>`
          : html`<div class="notice good" role="status"><p><strong>Every context below is only where it may be.</strong> All regions’ stores were read just now.</p></div>`;
    const change = may(view, 'tenants.write') ? html` <a href="/tenants/${tenant.id}/edit">Change</a>` : '';
    return {
      title: `Residency of ${tenant.name}`,
      content: html`<p>Allowed: <strong>${tenant.allowedRegions?.join(', ') ?? 'any region'}</strong>.${change}</p>${body.items.length === 0 ? '' : said}${table(
        {
          caption: 'Where the tenant’s contexts are',
          head: ['Context', 'Held by', 'Outside', 'Not proven'],
          rows: body.items.map(({ kind, key, regions, outside, unproven }) => [
            html`${kind} <a href="/contexts/${kind}/${key}"><code>${key}</code></a>`,
            regions.join(', ') || 'no region',
            outside.length > 0 ? html`${outside.map((region) => state(region, 'bad'))}` : '–',
            unproven.length > 0 ? html`${unproven.map((region) => state(region, 'warn'))}` : '–',
          ]),
          empty: html`<p>The tenant has nothing yet.</p>`,
        },
      )}${pager(url, body.nextCursor)}`,
    };
  },
};
