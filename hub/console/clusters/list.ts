import { html } from 'hono/html';
import { listClusters } from '../../api/clusters/list.ts';
import { done } from '../parts/done.ts';
import { selectField, textField } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { narrowedTo, tenantNames } from '../tenants/names.ts';
import type { ClusterView } from './typed.ts';

const filters = ['search', 'tenantId', 'status', 'region'] as const;

export const clusterList: Screen = {
  method: 'GET',
  path: '/clusters',
  async handle(view) {
    const { api, url, part } = view;
    const query = Object.fromEntries(
      [...filters, 'cursor'].map((name) => [name, url.searchParams.get(name)?.trim() || undefined]),
    );
    const { body } = needed(await api.call(listClusters, { query }));
    const found = html`<div id="found">${await rows(
      view,
      body.items,
      filters.some((name) => query[name] !== undefined),
    )}${pager(url, body.nextCursor)}</div>`;
    if (part === 'found') return { part: found };
    const create = may(view, 'clusters.write')
      ? html`<a class="button" href="/clusters/new">New cluster</a>`
      : '';
    return {
      title: 'Clusters',
      content: html`${done(view)}${await narrowedTo(view, query.tenantId)}<div class="bar">${searchForm(query)}${create}</div>${found}<p><a href="/deletions">What was deleted, to bring it back</a></p>`,
    };
  },
};

function searchForm(query: Record<string, string | undefined>): Html {
  return html`<form class="search" method="get" action="/clusters" role="search" hx-get="/clusters?part=found" hx-target="#found" hx-swap="outerHTML" hx-trigger="input delay:250ms, change">${textField({ name: 'search', label: 'Find by the beginning of the name, or by id', type: 'search', value: query.search ?? '' })}${selectField(
    {
      name: 'status',
      label: 'Status',
      value: query.status ?? '',
      choices: [
        { value: '', name: 'any' },
        { value: 'active', name: 'active' },
        { value: 'disabled', name: 'disabled' },
      ],
    },
  )}${textField({ name: 'region', label: 'In region', value: query.region ?? '', placeholder: 'any' })}${query.tenantId ? html`<input type="hidden" name="tenantId" value="${query.tenantId}">` : ''}<button>Find</button></form>`;
}

async function rows(view: View, clusters: readonly ClusterView[], filtered: boolean): Promise<Html> {
  const names = await tenantNames(
    view,
    clusters.map(({ tenantId }) => tenantId),
  );
  return table({
    caption: 'Clusters',
    head: ['Cluster', 'Tenant', 'Status', 'Regions', 'Created'],
    rows: clusters.map(({ id, name, tenantId, status, placements, createdAt }) => [
      html`<a href="/clusters/${id}">${name}</a>`,
      html`<a href="/tenants/${tenantId}">${names.get(tenantId) ?? tenantId}</a>`,
      state(status),
      placements.map(({ region }) => region).join(', '),
      moment(createdAt, view.nowMs),
    ]),
    empty: filtered
      ? html`<p><strong>No cluster is like this.</strong> A search finds names that begin with what you type, in any case.</p><p><a href="/clusters">Show all</a></p>`
      : html`<p><strong>There is no cluster yet.</strong> A cluster belongs to a tenant and is placed in regions; its agents authenticate there with agent keys, and gateways forward them to its upstream.</p>${may(view, 'clusters.write') ? html`<p><a class="button" href="/clusters/new">Create the first cluster</a></p>` : ''}`,
  });
}
