import { html } from 'hono/html';
import { getFreeze } from '../../api/freeze/get.ts';
import { listRegions } from '../../api/regions/list.ts';
import { createSweep } from '../../api/sweeps/create.ts';
import { health } from '../overview/region-table.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';
import { freezeForm } from './freeze.ts';

export const regionList: Screen = {
  method: 'GET',
  path: '/regions',
  async handle(view) {
    const { api, url } = view;
    const { body } = needed(
      await api.call(listRegions, {
        query: {
          cursor: url.searchParams.get('cursor') ?? undefined,
        },
      }),
    );
    const { everywhere } = needed(await api.call(getFreeze)).body;
    const sweepAll = may(view, 'sweeps.write')
      ? html`<form method="post" action="/regions/sweep-all">${hidden('idempotencyKey', view.newIdempotencyKey())}<button>Sweep all now</button></form>`
      : '';
    const add = may(view, 'regions.write')
      ? html`<a class="button" href="/regions/new">Add a region</a>`
      : '';
    return {
      title: 'Regions',
      content: html`${done(view)}<div class="bar">${add}${sweepAll}</div>${table({
        caption: 'Regions',
        head: ['Region', 'Status', 'Publishing', 'Store'],
        rows: body.items.map((region) => [
          html`<a href="/regions/${region.id}"><strong>${region.id}</strong></a>`,
          state(region.status),
          health(region),
          html`<code>${region.store?.table ?? ''}</code>`,
        ]),
        empty: html`<p><strong>There is no region yet.</strong> Give a region an id and a table that speaks the DynamoDB API; a publisher sets the table up, fills it and verifies it, and you watch it do so.</p>`,
      })}${pager(url, body.nextCursor)}${may(view, 'freezes.write') ? html`<h2>All regions at once</h2>${freezeForm('/regions/freeze', everywhere ?? undefined)}` : ''}`,
    };
  },
};

export const sweepAll: Screen = {
  method: 'POST',
  path: '/regions/sweep-all',
  async handle({ api, form }) {
    needed(await api.call(createSweep, { body: {}, idempotencyKey: form.given('idempotencyKey') }));
    return { redirect: '/regions?done=requested' };
  },
};
