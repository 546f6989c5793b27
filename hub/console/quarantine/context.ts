import { html } from 'hono/html';
import { getContext } from '../../api/contexts/get.ts';
import { refreshContext } from '../../api/contexts/refresh.ts';
import { afterChange, done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { facts, table } from '../parts/table.ts';
import { count, moment, state } from '../parts/words.ts';
import { may, needed, type Screen } from '../screen.ts';

/** One context: what the hub derives for every region beside what is there. */
export const contextPage: Screen = {
  method: 'GET',
  path: '/contexts/{kind}/{key}',
  async handle(view) {
    const { body } = needed(await view.api.call(getContext, { params: view.params }));
    const { kind, key, head, regions } = body;
    const refresh = may(view, 'contexts.refresh')
      ? html`<form method="post" action="/contexts/${kind}/${key}">${hidden('idempotencyKey', view.newIdempotencyKey())}<button>Refresh everywhere</button></form>`
      : '';
    return {
      title: `${kind} ${key}`,
      content: html`${done(view)}<div class="bar">${refresh}</div>${facts([
        ['Revision', head ? count(head.revision) : 'the hub has never heard of it'],
        head ? ['At the hub', head.deleted ? 'deleted' : 'live'] : undefined,
        head ? ['Changed', moment(head.changedAt, view.nowMs)] : undefined,
      ])}${table({
        caption: 'The context in every region',
        head: ['Region', 'State', 'The hub derives', 'The region holds', 'Content'],
        rows: regions.map(({ region, state: name, detail, derived, stored }) => [
          html`<strong>${region}</strong>`,
          html`${state(name, name === 'in-sync' ? 'good' : name === 'unreachable' ? 'bad' : 'warn')}${detail ? html`<span class="why">${detail}</span>` : ''}`,
          html`${derived.state} <code>${derived.version ?? ''}</code>`,
          stored ? html`${stored.state} <code>${stored.version ?? ''}</code>` : '–',
          derived.body ? html`<pre tabindex="0">${JSON.stringify(derived.body, null, 2)}</pre>` : '–',
        ]),
        empty: 'There is no region.',
      })}<p><a href="/contexts/${kind}/${key}/history">What was done to it, by whom</a></p>`,
    };
  },
};

export const contextRefresh: Screen = {
  method: 'POST',
  path: '/contexts/{kind}/{key}',
  async handle({ api, form, params }) {
    const { kind, key } = params;
    const idempotencyKey = form.given('idempotencyKey');
    const requested = needed(await api.call(refreshContext, { params, idempotencyKey }));
    return afterChange(`/contexts/${kind}/${key}`, 'requested', requested.fence);
  },
};
