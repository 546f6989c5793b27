import { html } from 'hono/html';
import { getCluster } from '../../api/clusters/get.ts';
import { done } from '../parts/done.ts';
import { facts, table } from '../parts/table.ts';
import { id as idText, moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { tenantNames } from '../tenants/names.ts';
import type { ClusterView } from './typed.ts';

export const clusterPage: Screen = {
  method: 'GET',
  path: '/clusters/{id}',
  async handle(view) {
    const { api, params, nowMs } = view;
    const { body: cluster, etag } = needed(await api.call(getCluster, { params: { id: params.id } }));
    const names = await tenantNames(view, [cluster.tenantId]);
    const { id, tenantId, upstreamUrl, upstreams, settings } = cluster;
    return {
      title: cluster.name,
      content: html`${done(view)}${actions(view, cluster, etag)}${facts([
        ['Status', state(cluster.status)],
        ['Id', idText(id)],
        ['Tenant', html`<a href="/tenants/${tenantId}">${names.get(tenantId) ?? tenantId}</a>`],
        ['Upstream URL', html`<code>${upstreamUrl}</code>`],
        upstreams ? ['Several upstreams', json(upstreams)] : undefined,
        Object.keys(settings).length > 0 ? ['Settings', json(settings)] : undefined,
        ['Created', moment(cluster.createdAt, nowMs)],
        ['Changed', moment(cluster.updatedAt, nowMs)],
      ])}<h2>Regions</h2>${placements(cluster)}<p><a href="/agent-keys?clusterId=${id}">Agent keys of this cluster</a> · <a href="/contexts/cluster/${id}/history">What was done to it, by whom</a> · <a href="/contexts/cluster/${id}">What every region holds of it</a></p>`,
    };
  },
};

function actions(view: View, { id, status }: ClusterView, etag: string | undefined): Html | string {
  if (!may(view, 'clusters.write')) return '';
  const next = status === 'active' ? 'disabled' : 'active';
  return html`<div class="bar"><a class="button" href="/clusters/${id}/edit">Change or move</a><form method="post" action="/clusters/${id}/status"><input type="hidden" name="ifMatch" value="${etag ?? ''}"><button name="status" value="${next}">${status === 'active' ? 'Disable' : 'Enable'}</button></form><a class="button" href="/agent-keys/new?clusterId=${id}">New agent key</a><a class="button danger" href="/clusters/${id}/delete">Delete …</a></div>`;
}

function placements({ placements }: ClusterView): Html {
  return table({
    caption: 'Where the cluster is placed',
    head: ['Region', 'Other values there'],
    rows: placements.map(({ region, overrides }) => [region, overrides ? json(overrides) : '–']),
    empty: 'It is placed nowhere, so it is served nowhere.',
  });
}

function json(value: unknown): Html {
  return html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
}
