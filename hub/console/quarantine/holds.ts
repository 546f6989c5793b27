import { html } from 'hono/html';
import { listRegionHolds } from '../../api/regions/holds.ts';
import { pager, table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import { type Html, needed, type View } from '../screen.ts';

const words = { budget: 'over the budget', 'kind-empty': 'kind gone empty', invalid: 'invalid' } as const;

/** The contexts whose last good state stays in a region, a page of them. */
export async function holdTable({ api, url, nowMs }: View, region: string): Promise<Html> {
  const { body } = needed(
    await api.call(listRegionHolds, {
      params: { id: region },
      query: {
        cursor: url.searchParams.get('cursor') ?? undefined,
      },
    }),
  );
  return html`${table({
    caption: `Contexts held in ${region}`,
    head: ['Context', 'Why', 'In words', 'Since'],
    rows: body.items.map(({ kind, key, reason, detail, since }) => [
      html`<a href="/contexts/${kind}/${key}">${kind} <code>${key}</code></a>`,
      state(words[reason], reason === 'invalid' ? 'warn' : 'bad'),
      detail,
      moment(since, nowMs),
    ]),
    empty: html`<p><strong>Nothing is held in ${region}.</strong> Whatever the hub derives for it is published there.</p>`,
  })}${pager(url, body.nextCursor)}`;
}
