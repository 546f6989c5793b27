import { html } from 'hono/html';
import { listAuditLog } from '../../api/audit-log/list.ts';
import { hidden, textField } from '../parts/fields.ts';
import { pager } from '../parts/table.ts';
import { asTime } from '../parts/times.ts';
import { type Html, needed, type Screen } from '../screen.ts';
import { narrowedTo } from '../tenants/names.ts';
import { entryTable } from './table.ts';

export const auditFilters = [
  'resourceType',
  'resourceId',
  'action',
  'actorId',
  'tenantId',
  'since',
  'until',
] as const;

export const auditPage: Screen = {
  method: 'GET',
  path: '/audit-log',
  async handle(view) {
    const { api, url, nowMs } = view;
    const query = Object.fromEntries(
      [...auditFilters, 'cursor'].map((name) => [name, url.searchParams.get(name)?.trim() || undefined]),
    );
    for (const name of ['since', 'until']) if (query[name]) query[name] = asTime(query[name]);
    const { body } = needed(await api.call(listAuditLog, { query }));
    const filters = auditFilters.flatMap((name): [string, string][] =>
      query[name] ? [[name, query[name]]] : [],
    );
    const exported = (format: string) =>
      html`<a class="button" href="/audit-log/export?${new URLSearchParams([...filters, ['format', format]])}">Export ${format.toUpperCase()}</a>`;
    return {
      title: 'Audit log',
      content: html`${await narrowedTo(view, query.tenantId)}${filterForm(query)}<div class="bar">${exported('csv')}${exported('ndjson')}</div>${entryTable(
        body.items,
        nowMs,
        html`<p><strong>No entry is like this.</strong> Every change made through the API, the console and the command line is here, with who made it and what it was before and after.</p>`,
      )}${pager(url, body.nextCursor)}`,
    };
  },
};

function filterForm(query: Record<string, string | undefined>): Html {
  const field = (name: string, label: string, placeholder: string) =>
    textField({ name, label, value: query[name] ?? '', placeholder });
  const time = (name: 'since' | 'until', label: string) =>
    textField({ name, label, value: query[name]?.slice(0, 19) ?? '', type: 'datetime-local' });
  return html`<form class="search" method="get" action="/audit-log" role="search">${field('resourceId', 'Of the thing with the id', 'vci_…')}${field('resourceType', 'Kind of thing', 'cluster')}${field('action', 'Action', 'cluster.update')}${field('actorId', 'By', 'usr_… or apk_…')}${time('since', 'Since, in UTC')}${time('until', 'Before, in UTC')}${hidden('tenantId', query.tenantId)}<button>Find</button></form>`;
}
