import { html } from 'hono/html';
import { listTenants } from '../../api/tenants/list.ts';
import { done } from '../parts/done.ts';
import { textField } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { id as idText, moment, state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';

export const tenantList: Screen = {
  method: 'GET',
  path: '/tenants',
  async handle(view) {
    const { api, url, part, nowMs } = view;
    const search = url.searchParams.get('search')?.trim() || undefined;
    const { body } = needed(
      await api.call(listTenants, {
        query: {
          search,
          cursor: url.searchParams.get('cursor') ?? undefined,
        },
      }),
    );
    const create = may(view, 'tenants.write')
      ? html`<a class="button" href="/tenants/new">New tenant</a>`
      : '';
    const rows = table({
      caption: 'Tenants',
      head: ['Tenant', 'Id', 'Status', 'Created'],
      rows: body.items.map(({ id, name, status, createdAt }) => [
        html`<a href="/tenants/${id}">${name}</a>`,
        idText(id),
        state(status),
        moment(createdAt, nowMs),
      ]),
      empty: search
        ? html`<p><strong>No tenant’s name begins like this.</strong></p><p><a href="/tenants">Show all</a></p>`
        : html`<p><strong>There is no tenant yet.</strong> A tenant is a customer of yours: clusters, agent keys and people belong to one, and see nothing of another.</p>`,
    });
    const found = html`<div id="found">${rows}${pager(url, body.nextCursor)}</div>`;
    if (part === 'found') return { part: found };
    return {
      title: 'Tenants',
      content: html`${done(view)}<div class="bar"><form class="search" method="get" action="/tenants" role="search" hx-get="/tenants?part=found" hx-target="#found" hx-swap="outerHTML" hx-trigger="input delay:250ms">${textField({ name: 'search', label: 'Find by the beginning of the name, or by id', type: 'search', value: search ?? '' })}<button>Find</button></form>${create}</div>${found}<p><a href="/deletions">What was deleted, to bring it back</a></p>`,
    };
  },
};
