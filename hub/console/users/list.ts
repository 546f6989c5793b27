import { html } from 'hono/html';
import type { z } from 'zod';
import { listUsers } from '../../api/users/list.ts';
import type { User } from '../../api/users/user.ts';
import { done } from '../parts/done.ts';
import { pager, table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';
import { tenantNames } from '../tenants/names.ts';

export type UserView = z.infer<typeof User>;

export const userList: Screen = {
  method: 'GET',
  path: '/users',
  async handle(view) {
    const { api, url, nowMs } = view;
    const cursor = url.searchParams.get('cursor') ?? undefined;
    const { body } = needed(await api.call(listUsers, { query: { cursor } }));
    const tenants = body.items.flatMap(({ memberships }) =>
      memberships.flatMap(({ tenantId }) => (tenantId === null ? [] : [tenantId])),
    );
    const names = await tenantNames(view, tenants);
    const invite = may(view, 'users.write')
      ? html`<a class="button" href="/users/new">Invite somebody</a>`
      : '';
    return {
      title: 'People',
      content: html`${done(view)}<div class="bar">${invite}</div>${table({
        caption: 'People',
        head: ['Person', 'Address', 'Status', 'Belongs to', 'Last signed in'],
        rows: body.items.map(({ id, name, email, status, memberships, lastSignedInAt }) => [
          html`<a href="/users/${id}">${name}</a>`,
          email,
          state(status, status === 'active' ? 'good' : 'calm'),
          memberships
            .map(
              ({ tenantId, role }) =>
                `${tenantId === null ? 'the platform' : (names.get(tenantId) ?? tenantId)}: ${role}`,
            )
            .join(', '),
          moment(lastSignedInAt, nowMs),
        ]),
        empty: html`<p><strong>Nobody belongs here yet.</strong> Invite somebody: they get a link that works once.</p>`,
      })}${pager(url, body.nextCursor)}`,
    };
  },
};
