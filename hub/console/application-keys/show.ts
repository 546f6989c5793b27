import { html } from 'hono/html';
import { getApplicationKey } from '../../api/application-keys/get.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { facts } from '../parts/table.ts';
import { id as idText, moment, state } from '../parts/words.ts';
import { type Content, may, needed, type Screen } from '../screen.ts';
import { tenantNames } from '../tenants/names.ts';
import { personNames } from '../users/names.ts';

export const applicationKeyPage: Screen = {
  method: 'GET',
  path: '/application-keys/{id}',
  async handle(view) {
    const { body, etag } = needed(await view.api.call(getApplicationKey, { params: view.params }));
    const { id, name, role, tenantId, userId, status, nowMs } = { ...body, nowMs: view.nowMs };
    const tenants = await tenantNames(view, tenantId === null ? [] : [tenantId]);
    const people = await personNames(view, userId === null ? [] : [userId]);
    const next = status === 'active' ? 'disabled' : 'active';
    const actions = may(view, 'application-keys.write')
      ? html`<div class="bar"><a class="button" href="/application-keys/${id}/edit">Change</a><form method="post" action="/application-keys/${id}/status">${hidden('ifMatch', etag)}<button name="status" value="${next}">${status === 'active' ? 'Disable' : 'Enable'}</button></form><a class="button danger" href="/application-keys/${id}/revoke">Revoke …</a></div>`
      : '';
    return {
      title: name,
      content: html`${done(view)}${actions}${facts([
        ['Status', state(status)],
        ['Id', idText(id)],
        ['Role', role],
        ['Of', tenantId === null ? 'the platform' : (tenants.get(tenantId) ?? tenantId)],
        [
          'Whose',
          userId === null
            ? 'nobody’s: of a program'
            : html`<a href="/users/${userId}">${people.get(userId) ?? userId}</a>`,
        ],
        ['Expires', body.expiresAt === null ? 'never' : moment(body.expiresAt, nowMs)],
        ['Last used', body.lastUsedAt === null ? 'never' : moment(body.lastUsedAt, nowMs)],
        ['Made by', body.createdBy === null ? 'not recorded' : maker(body.createdBy)],
        ['Created', moment(body.createdAt, nowMs)],
        ['Changed', moment(body.updatedAt, nowMs)],
      ])}<p><a href="/audit-log?actorId=${id}">What was done with it</a> · <a href="/audit-log?resourceType=application-key&amp;resourceId=${id}">What was changed, by whom</a></p>`,
    };
  },
};

/** A person, or another key, as far as there is a page about it. */
function maker(id: string): Content {
  const list = id.startsWith('usr_') ? 'users' : id.startsWith('apk_') ? 'application-keys' : undefined;
  return list ? html`<a href="/${list}/${id}">${idText(id)}</a>` : id;
}
