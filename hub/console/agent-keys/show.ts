import { html } from 'hono/html';
import { getAgentKey } from '../../api/agent-keys/get.ts';
import { getCluster } from '../../api/clusters/get.ts';
import { done } from '../parts/done.ts';
import { facts } from '../parts/table.ts';
import { duration, id as idText, moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import type { KeyView } from './keys.ts';
import { useTable } from './uses.ts';

export const keyPage: Screen = {
  method: 'GET',
  path: '/agent-keys/{id}',
  async handle(view) {
    const { api, params, nowMs } = view;
    const { body: key, etag } = needed(await api.call(getAgentKey, { params: { id: params.id } }));
    const cluster = await api.call(getCluster, { params: { id: key.clusterId } });
    const clusterName = cluster.outcome === 'done' ? cluster.body.name : key.clusterId;
    const { permissions, allowedNetworks, rateLimit, retiring } = key;
    return {
      title: key.name,
      content: html`${done(view)}${actions(view, key, etag)}${facts([
        ['Status', state(key.status)],
        ['Id', idText(key.id)],
        ['Cluster', html`<a href="/clusters/${key.clusterId}">${clusterName}</a>`],
        ['Expires', key.expiresAt === null ? 'never' : moment(key.expiresAt, nowMs)],
        ['Permissions', permissions.length > 0 ? permissions.join(', ') : 'none'],
        ['Allowed networks', allowedNetworks?.join(', ') ?? 'anywhere'],
        [
          'Rate limit',
          rateLimit
            ? `${rateLimit.limit} requests in ${duration(rateLimit.windowMs)}, at each gateway`
            : 'none',
        ],
        retiring.length > 0
          ? [
              'Older secrets',
              html`${retiring.map(({ endsAt }) => html`<div>${Date.parse(endsAt) > nowMs ? 'works, ends' : 'ended'} ${moment(endsAt, nowMs)}</div>`)}`,
            ]
          : undefined,
        ['Created', moment(key.createdAt, nowMs)],
        ['Changed', moment(key.updatedAt, nowMs)],
      ])}<h2>Last use</h2><p class="hint">As gateways tell it, every ten minutes or as they are configured. <em>Never</em> is only said where all of them have told since before the key was made.</p>${useTable(key.uses, nowMs)}<p><a href="/contexts/agent-key/${key.id}/history">What was done to it, by whom</a> · <a href="/contexts/agent-key/${key.id}">What every region holds of it</a></p>`,
    };
  },
};

function actions(view: View, { id, status }: KeyView, etag: string | undefined): Html | string {
  if (!may(view, 'agent-keys.write')) return '';
  const ifMatch = html`<input type="hidden" name="ifMatch" value="${etag ?? ''}">`;
  return html`<div class="bar"><a class="button" href="/agent-keys/${id}/edit">Change</a><form method="post" action="/agent-keys/${id}/status">${ifMatch}<button name="status" value="${status === 'active' ? 'disabled' : 'active'}">${status === 'active' ? 'Disable' : 'Enable'}</button></form><form method="post" action="/agent-keys/${id}/rotate" class="bar"><input type="hidden" name="idempotencyKey" value="${view.newIdempotencyKey()}"><label for="grace" class="unseen">The present secret works on for</label><select id="grace" name="graceSeconds" class="fitting"><option value="86400">present secret works a day more</option><option value="3600">an hour more</option><option value="0">not any more</option></select><button>Rotate the secret</button></form><a class="button danger" href="/agent-keys/${id}/revoke">Revoke …</a></div>`;
}
