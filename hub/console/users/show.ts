import { html } from 'hono/html';
import { getUser } from '../../api/users/get.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { facts } from '../parts/table.ts';
import { id as idText, moment, state } from '../parts/words.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { tenantNames } from '../tenants/names.ts';
import type { UserView } from './list.ts';

export const userPage: Screen = {
  method: 'GET',
  path: '/users/{id}',
  async handle(view) {
    const { body, etag } = needed(await view.api.call(getUser, { params: { id: view.params.id } }));
    const { id, name, email, status, memberships, lastSignedInAt, createdAt } = body;
    const names = await tenantNames(
      view,
      memberships.flatMap(({ tenantId }) => tenantId ?? []),
    );
    const next = status === 'disabled' ? 'active' : 'disabled';
    const actions = may(view, 'users.write')
      ? html`<div class="bar"><a class="button" href="/users/${id}/edit">Change</a>${linkForm(view, body)}<form method="post" action="/users/${id}/status">${hidden('ifMatch', etag)}<button name="status" value="${next}">${next === 'active' ? 'Enable' : 'Disable and sign out everywhere'}</button></form><a class="button danger" href="/users/${id}/delete">Delete …</a></div>`
      : '';
    return {
      title: name,
      content: html`${done(view)}${actions}${facts([
        ['Address', email],
        ['Status', state(status, status === 'active' ? 'good' : 'calm')],
        ['Id', idText(id)],
        ...memberships.map(
          ({ tenantId, role, status }) =>
            [
              tenantId === null ? 'The platform' : (names.get(tenantId) ?? tenantId),
              `${role}${status === 'invited' ? ', not accepted yet' : ''}`,
            ] as const,
        ),
        ['Last signed in', moment(lastSignedInAt, view.nowMs)],
        ['Created', moment(createdAt, view.nowMs)],
      ])}<p><a href="/audit-log?actorId=${id}">What they changed</a></p>`,
    };
  },
};

/** Whoever has not accepted yet can be invited again; anybody else may have forgotten a password. */
function linkForm(view: View, { id, status, memberships }: UserView): Html | string {
  const isInvited = memberships.some((one) => one.status === 'invited');
  if (!isInvited && status !== 'active') return '';
  const [purpose, name] = isInvited
    ? ['invitation', 'Invite again']
    : ['password-reset', 'Reset the password'];
  return html`<form method="post" action="/users/${id}/link">${hidden('idempotencyKey', view.newIdempotencyKey())}<button name="purpose" value="${purpose}">${name}</button></form>`;
}
