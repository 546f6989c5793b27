import { html } from 'hono/html';
import { listApplicationKeys } from '../../api/application-keys/list.ts';
import { done } from '../parts/done.ts';
import { selectField } from '../parts/fields.ts';
import { pager, table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';
import { tenantNames } from '../tenants/names.ts';
import { personNames } from '../users/names.ts';

const filters = ['tenantId', 'role', 'status'] as const;

export const applicationKeyList: Screen = {
  method: 'GET',
  path: '/application-keys',
  async handle(view) {
    const { api, url, part, nowMs } = view;
    const query = Object.fromEntries(
      [...filters, 'cursor'].map((name) => [name, url.searchParams.get(name)?.trim() || undefined]),
    );
    const { body } = needed(await api.call(listApplicationKeys, { query }));
    const tenants = await tenantNames(
      view,
      body.items.flatMap(({ tenantId }) => tenantId ?? []),
    );
    const people = await personNames(
      view,
      body.items.flatMap(({ userId }) => userId ?? []),
    );
    const mayWrite = may(view, 'application-keys.write');
    const rows = table({
      caption: 'Application keys',
      head: ['Key', 'Role', 'Of', 'Whose', 'Status', 'Expires', 'Last used'],
      rows: body.items.map((key) => [
        html`<a href="/application-keys/${key.id}">${key.name}</a>`,
        key.role,
        key.tenantId === null ? 'the platform' : (tenants.get(key.tenantId) ?? key.tenantId),
        key.userId === null
          ? 'nobody’s: of a program'
          : html`<a href="/users/${key.userId}">${people.get(key.userId) ?? key.userId}</a>`,
        state(key.status),
        key.expiresAt === null ? 'never' : moment(key.expiresAt, nowMs),
        key.lastUsedAt === null ? 'never' : moment(key.lastUsedAt, nowMs),
      ]),
      empty: filters.some((name) => query[name] !== undefined)
        ? html`<p><strong>No application key is like this.</strong></p><p><a href="/application-keys">Show all</a></p>`
        : html`<p><strong>There is no application key yet.</strong> With one, a program asks this hub’s API: the command line, Terraform, a script in CI. Agents do not use them: they have <a href="/agent-keys">agent keys</a>.</p>${mayWrite ? html`<p><a class="button" href="/application-keys/new">Create the first one</a></p>` : ''}`,
    });
    const found = html`<div id="found">${rows}${pager(url, body.nextCursor)}</div>`;
    if (part === 'found') return { part: found };
    const of = (name: (typeof filters)[number], label: string, values: readonly string[]) =>
      selectField({
        ...{ name, label, value: query[name] ?? '' },
        choices: ['', ...values].map((value) => ({ value, name: value || 'any' })),
      });
    const create = mayWrite
      ? html`<a class="button" href="/application-keys/new">New application key</a>`
      : '';
    return {
      title: 'Application keys',
      content: html`${done(view)}<div class="bar"><form class="search" method="get" action="/application-keys" role="search" hx-get="/application-keys?part=found" hx-target="#found" hx-swap="outerHTML" hx-trigger="change">${of('role', 'Role', ['viewer', 'admin', 'owner'])}${of('status', 'Status', ['active', 'disabled'])}<button>Find</button></form>${create}</div><p class="hint">Those of people end with them; each person finds their own under <a href="/account">their account</a>.</p>${found}`,
    };
  },
};
