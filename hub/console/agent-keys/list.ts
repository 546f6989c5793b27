import { html } from 'hono/html';
import { timestamp } from '../../../contexts/base/clock.ts';
import { listAgentKeys } from '../../api/agent-keys/list.ts';
import { getCluster } from '../../api/clusters/get.ts';
import { done } from '../parts/done.ts';
import { hidden, selectField, textField } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { narrowedTo } from '../tenants/names.ts';
import type { KeyListed } from './keys.ts';

const filters = ['search', 'clusterId', 'tenantId', 'status', 'unusedDays'] as const;

export const keyList: Screen = {
  method: 'GET',
  path: '/agent-keys',
  async handle(view) {
    const { api, url, part } = view;
    const query = Object.fromEntries(
      [...filters, 'cursor'].map((name) => [name, url.searchParams.get(name)?.trim() || undefined]),
    );
    const { unusedDays, ...rest } = query;
    const asked = { ...rest, unusedSince: unusedSince(unusedDays, view.nowMs) };
    const { body } = needed(await api.call(listAgentKeys, { query: asked }));
    const filtered = filters.some((name) => query[name] !== undefined);
    const found = html`<div id="found">${await rows(view, body.items, filtered)}${pager(url, body.nextCursor)}</div>`;
    if (part === 'found') return { part: found };
    const of = query.clusterId ? `?clusterId=${query.clusterId}` : '';
    const create = may(view, 'agent-keys.write')
      ? html`<a class="button" href="/agent-keys/new${of}">New agent key</a>`
      : '';
    return {
      title: 'Agent keys',
      content: html`${done(view)}${await narrowedTo(view, query.tenantId)}<div class="bar">${searchForm(query)}${create}</div>${found}`,
    };
  },
};

/** Only keys of which that is known: see docs/agent-keys.md. */
const unused = [
  { value: '', name: 'any' },
  { value: '7', name: 'unused for a week' },
  { value: '30', name: 'unused for 30 days' },
  { value: '90', name: 'unused for 90 days' },
];

function unusedSince(days: string | undefined, nowMs: number): string | undefined {
  return /^\d{1,4}$/.test(days ?? '') ? timestamp(nowMs - Number(days) * 86_400_000) : undefined;
}

function searchForm(query: Record<string, string | undefined>): Html {
  const choices = ['', 'active', 'disabled'].map((value) => ({ value, name: value || 'any' }));
  return html`<form class="search" method="get" action="/agent-keys" role="search" hx-get="/agent-keys?part=found" hx-target="#found" hx-swap="outerHTML" hx-trigger="input delay:250ms, change">${textField({ name: 'search', label: 'Find by the beginning of the name, or by id', type: 'search', value: query.search ?? '' })}${textField({ name: 'clusterId', label: 'Of the cluster with the id', value: query.clusterId ?? '', placeholder: 'any', code: true })}${selectField({ name: 'status', label: 'Status', value: query.status ?? '', choices })}${selectField({ name: 'unusedDays', label: 'Known use', value: query.unusedDays ?? '', choices: unused })}${hidden('tenantId', query.tenantId)}<button>Find</button></form>`;
}

async function rows(view: View, keys: readonly KeyListed[], filtered: boolean): Promise<Html> {
  const names = new Map<string, string>();
  for (const id of new Set(keys.map(({ clusterId }) => clusterId))) {
    const cluster = await view.api.call(getCluster, { params: { id } });
    if (cluster.outcome === 'done') names.set(id, cluster.body.name);
  }
  return table({
    caption: 'Agent keys',
    head: ['Key', 'Cluster', 'Status', 'Expires', 'Last used', 'Created'],
    rows: keys.map(({ id, name, clusterId, status, expiresAt, lastUsedAt, createdAt }) => [
      html`<a href="/agent-keys/${id}">${name}</a>`,
      html`<a href="/clusters/${clusterId}">${names.get(clusterId) ?? clusterId}</a>`,
      state(status),
      expiresAt === null ? 'never' : moment(expiresAt, view.nowMs),
      moment(lastUsedAt, view.nowMs),
      moment(createdAt, view.nowMs),
    ]),
    empty: filtered
      ? html`<p><strong>No agent key is like this.</strong> Of a region where a gateway does not tell which keys it lets in, nobody knows which are unused.</p><p><a href="/agent-keys">Show all</a></p>`
      : html`<p><strong>There is no agent key yet.</strong> An agent shows its key to the gateway of its region; the hub keeps only what a gateway needs to recognise it. A key belongs to one cluster.</p><p><a href="/clusters">Choose a cluster</a></p>`,
  });
}
