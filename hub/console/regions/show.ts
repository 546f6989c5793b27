import { html } from 'hono/html';
import { getRegion } from '../../api/regions/get.ts';
import type { RegionView } from '../overview/overview.ts';
import { health } from '../overview/region-table.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { facts } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { freezeForm } from './freeze.ts';
import { gatewayTable } from './gateways.ts';
import { seedingOf, sweepTable } from './work.ts';

export const regionPage: Screen = {
  method: 'GET',
  path: '/regions/{id}',
  async handle(view) {
    const { api, params, part } = view;
    const { body: region, etag } = needed(await api.call(getRegion, { params: { id: params.id } }));
    const now = may(view, 'sweeps.read') ? await live(view, region, etag) : actions(view, region, etag);
    if (part === 'live') return { part: now };
    const freeze = region.publishing?.freeze ?? undefined;
    return {
      title: region.id,
      content: html`${done(view)}${now}${
        may(view, 'freezes.write')
          ? html`<h2>Freeze</h2>${freeze && freeze.region === null ? html`<p>All regions are frozen: <a href="/regions">lift it for all</a>.</p>` : freezeForm(`/regions/${region.id}/freeze`, freeze)}`
          : ''
      }<p><a href="/audit-log?resourceType=region&amp;resourceId=${region.id}">What was changed, by whom</a> · <a href="/clusters?region=${region.id}">Clusters placed here</a> · <a href="/seedings?region=${region.id}">How it was filled</a></p>`,
    };
  },
};

/** What changes by itself, and with it what can be done. */
async function live(view: View, region: RegionView, etag: string | undefined): Promise<Html> {
  const { id, status, store, publishing, createdAt } = region;
  const waiting = (publishing?.held ?? 0) + (publishing?.quarantined ?? 0);
  return html`<div id="region-live" hx-get="/regions/${id}?part=live" hx-trigger="every 2s" hx-swap="outerMorph">${actions(view, region, etag)}${await seedingOf(view, id)}${facts(
    [
      ['Status', state(status)],
      ['Publishing', health(region)],
      store ? ['Table', html`<code>${store.table}</code>`] : undefined,
      store?.awsRegion ? ['AWS region', store.awsRegion] : undefined,
      store?.endpoint ? ['Endpoint', html`<code>${store.endpoint}</code>`] : undefined,
      waiting > 0 ? ['Held back', html`<a href="/regions/${id}/plan">${waiting} contexts</a>`] : undefined,
      ['Created', moment(createdAt, view.nowMs)],
    ],
  )}<h2>Gateways</h2>${await gatewayTable(view, id)}<h2>Sweeps</h2>${await sweepTable(view, id)}</div>`;
}

function actions(view: View, { id, status }: RegionView, etag: string | undefined): Html {
  const to = (value: string, name: string) =>
    html`<form method="post" action="/regions/${id}/status">${hidden('ifMatch', etag)}<button name="status" value="${value}">${name}</button></form>`;
  const sweep = may(view, 'sweeps.write')
    ? html`<form method="post" action="/regions/${id}/sweep">${hidden('idempotencyKey', view.newIdempotencyKey())}<button>Sweep now</button></form><form method="post" action="/regions/${id}/seed">${hidden('idempotencyKey', view.newIdempotencyKey())}<button>Seed again</button></form>`
    : '';
  if (!may(view, 'regions.write')) return html`<div class="bar">${sweep}</div>`;
  return html`<div class="bar">${status === 'disabled' ? '' : sweep}${status === 'active' ? to('draining', 'Drain') : ''}${status === 'draining' || status === 'disabled' ? to('active', 'Activate') : ''}${status === 'draining' ? to('disabled', 'Disable') : ''}<a class="button danger" href="/regions/${id}/remove">Remove …</a></div>`;
}
