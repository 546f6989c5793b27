import { html } from 'hono/html';
import { undeleteCluster } from '../../api/clusters/undelete.ts';
import { listDeletions } from '../../api/deletions/list.ts';
import { undeleteTenant } from '../../api/tenants/undelete.ts';
import { afterChange, done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { counted, moment } from '../parts/words.ts';
import { may, needed, type Screen, type View } from '../screen.ts';
import { narrowedTo, tenantNames } from '../tenants/names.ts';

/** What was deleted and can still be brought back. */
export const deletionList: Screen = {
  method: 'GET',
  path: '/deletions',
  async handle(view) {
    const { api, url, nowMs } = view;
    const query = {
      tenantId: url.searchParams.get('tenantId') ?? undefined,
      cursor: url.searchParams.get('cursor') ?? undefined,
    };
    const { body } = needed(await api.call(listDeletions, { query }));
    const names = await tenantNames(
      view,
      body.items.map(({ tenantId }) => tenantId),
    );
    const gone = new Map(
      body.items
        .filter(({ resourceType }) => resourceType === 'tenant')
        .map(({ resourceId, name }) => [resourceId, `${name} (deleted too)`]),
    );
    return {
      title: 'Deleted',
      content: html`${done(view)}${await narrowedTo(view, query.tenantId)}<p>Tenants and clusters that can be brought back as they were: the same ids, and the same secrets that agents have. After the time below they are gone for good.</p>${table(
        {
          caption: 'What was deleted',
          head: ['What', 'Tenant', 'Comes back with it', 'Deleted', 'Gone for good', 'Bring back'],
          rows: body.items.map(({ resourceType, resourceId, name, tenantId, clusters, agentKeys, ...at }) => [
            html`${resourceType} <strong>${name}</strong>`,
            resourceType === 'tenant' ? '–' : (names.get(tenantId) ?? gone.get(tenantId) ?? tenantId),
            resourceType === 'tenant'
              ? `${counted(clusters, 'cluster')}, ${counted(agentKeys, 'agent key')}`
              : counted(agentKeys, 'agent key'),
            moment(at.deletedAt, nowMs),
            moment(at.purgeAt, nowMs),
            mayRestore(view, resourceType)
              ? html`<form method="post" action="/${resourceType}s/${resourceId}/undelete">${hidden('idempotencyKey', view.newIdempotencyKey())}<button aria-label="Bring back ${name}">Bring back</button></form>`
              : '–',
          ]),
          empty: html`<p><strong>Nothing that was deleted can be brought back.</strong> A tenant or a cluster that is deleted here or through the API is kept for some weeks (<code>SPOKECAST_UNDELETE_DAYS</code>) and stands here until then. Agent keys that are revoked by themselves are gone at once.</p>`,
        },
      )}${pager(url, body.nextCursor)}`,
    };
  },
};

function mayRestore(view: View, resourceType: 'tenant' | 'cluster'): boolean {
  return may(view, resourceType === 'tenant' ? 'tenants.write' : 'clusters.write');
}

export const tenantUndeletion: Screen = {
  method: 'POST',
  path: '/tenants/{id}/undelete',
  async handle({ api, form, params }) {
    const idempotencyKey = form.given('idempotencyKey');
    const { body, fence } = needed(await api.call(undeleteTenant, { params, idempotencyKey }));
    return afterChange(`/tenants/${body.id}`, 'restored', fence);
  },
};

export const clusterUndeletion: Screen = {
  method: 'POST',
  path: '/clusters/{id}/undelete',
  async handle({ api, form, params }) {
    const idempotencyKey = form.given('idempotencyKey');
    const { body, fence } = needed(await api.call(undeleteCluster, { params, idempotencyKey }));
    return afterChange(`/clusters/${body.id}`, 'restored', fence);
  },
};
