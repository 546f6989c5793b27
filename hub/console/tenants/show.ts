import { html } from 'hono/html';
import { getTenant } from '../../api/tenants/get.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { facts } from '../parts/table.ts';
import { count, id as idText, moment, state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';

export const tenantPage: Screen = {
  method: 'GET',
  path: '/tenants/{id}',
  async handle(view) {
    const { body, etag } = needed(await view.api.call(getTenant, { params: { id: view.params.id } }));
    const { id, name, status, quotas, allowedRegions, createdAt, updatedAt } = body;
    const most = (number: number | null) => (number === null ? 'any number' : count(number));
    const next = status === 'active' ? 'suspended' : 'active';
    const actions = may(view, 'tenants.write')
      ? html`<a class="button" href="/tenants/${id}/edit">Change</a><form method="post" action="/tenants/${id}/status">${hidden('ifMatch', etag)}<button name="status" value="${next}">${status === 'active' ? 'Suspend' : 'Reactivate'}</button></form><a class="button danger" href="/tenants/${id}/delete">Delete …</a>`
      : '';
    const create = may(view, 'clusters.write')
      ? html`<a class="button" href="/clusters/new?tenantId=${id}">New cluster</a>`
      : '';
    return {
      title: name,
      content: html`${done(view)}<div class="bar">${create}${actions}</div>${facts([
        ['Status', state(status)],
        ['Id', idText(id)],
        [
          'At the most',
          `${most(quotas.clusters)} of clusters, ${most(quotas.agentKeys)} of agent keys, ${most(quotas.regions)} of regions`,
        ],
        ['Residency', allowedRegions?.join(', ') ?? 'any region'],
        ['Created', moment(createdAt, view.nowMs)],
        ['Changed', moment(updatedAt, view.nowMs)],
      ])}<p><a href="/clusters?tenantId=${id}">Its clusters</a> · <a href="/agent-keys?tenantId=${id}">Its agent keys</a> · <a href="/audit-log?tenantId=${id}">What was changed, by whom</a> · <a href="/tenants/${id}/residency">Where its data is</a> · <a href="/deletions?tenantId=${id}">What was deleted</a></p>`,
    };
  },
};
