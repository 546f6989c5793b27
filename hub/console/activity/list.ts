import { html } from 'hono/html';
import type { z } from 'zod';
import type { FenceOfList } from '../../api/fences/list.ts';
import { listFences } from '../../api/fences/list.ts';
import { waterfall } from '../parts/propagation.ts';
import { pager } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { type Html, needed, type Screen, type View } from '../screen.ts';

type FenceOfListView = z.infer<typeof FenceOfList>;
/** What a change names of its contexts; the rest is counted. */
const namesMax = 4;

export const activityPage: Screen = {
  method: 'GET',
  path: '/activity',
  async handle(view) {
    const { api, url, part } = view;
    const cursor = url.searchParams.get('cursor') ?? undefined;
    const { body } = needed(await api.call(listFences, { query: { cursor } }));
    const isFirst = cursor === undefined;
    const list = html`<div id="changes"${isFirst ? html` hx-get="/activity?part=changes" hx-trigger="every 1s" hx-swap="outerMorph"` : ''}>${
      body.items.length === 0
        ? html`<div class="empty"><p><strong>Nothing was changed in the last day.</strong> Every change that concerns a region appears here as it happens: when it was committed, relayed, stored in each region, announced there, and seen by every gateway.</p></div>`
        : body.items.map((fence) => change(view, fence))
    }${pager(url, body.nextCursor)}</div>`;
    if (part === 'changes') return { part: list };
    return {
      title: 'Activity',
      content: html`<p class="hint">The changes of the last day, latest first, each on its way: committed, then relayed, stored, announced and seen in every region concerned. Gateways go by a change as soon as it is announced; that they have <em>seen</em> it they tell some seconds later.</p>${list}`,
    };
  },
};

function change({ nowMs }: View, fence: FenceOfListView): Html {
  const { id, complete, committedAt } = fence;
  return html`<article id="${id}" class="propagation" aria-label="A change"><p>${complete ? state('everywhere', 'good') : state('on its way', 'calm')} <a href="/activity/${id}">${moment(committedAt, nowMs)}</a> ${contexts(fence.contexts)}</p>${waterfall([fence])}</article>`;
}

function contexts(refs: readonly string[] | null): Html {
  if (refs === null) return html`<span class="hint">contexts, and what follows them</span>`;
  const links = refs
    .slice(0, namesMax)
    .map((ref) => html`<a href="/contexts/${ref}"><code>${ref}</code></a> `);
  return html`${links}${refs.length > namesMax ? html`<span class="hint">and ${refs.length - namesMax} more</span>` : ''}`;
}
