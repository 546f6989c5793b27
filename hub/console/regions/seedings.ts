import { html } from 'hono/html';
import { listSeedings } from '../../api/seedings/list.ts';
import { pager, table } from '../parts/table.ts';
import { count, duration, moment, state } from '../parts/words.ts';
import { needed, type Screen } from '../screen.ts';

const causes = {
  added: 'the region is new',
  lost: 'its table was gone or not whole',
  requested: 'somebody asked',
};

/** What is made while a region is filled comes on top of what was counted when it began. */
function filled({ filled, total }: { filled: number; total: number | null }): string {
  if (total === null) return count(filled);
  return filled >= total ? count(filled) : `${count(filled)} of ${count(total)}`;
}

/** Every filling of a region, of one or of all. */
export const seedingList: Screen = {
  method: 'GET',
  path: '/seedings',
  async handle({ api, url, nowMs }) {
    const region = url.searchParams.get('region') ?? undefined;
    const query = { region, cursor: url.searchParams.get('cursor') ?? undefined };
    const { body } = needed(await api.call(listSeedings, { query }));
    return {
      title: region ? `Seedings of ${region}` : 'Seedings',
      content: html`${table({
        caption: 'Seedings',
        head: ['Region', 'Asked', 'Why', 'Phase', 'Filled', 'Ready after'],
        rows: body.items.map(({ region, requestedAt, cause, phase, contexts, readyAfterMs, error }) => [
          html`<a href="/regions/${region}">${region}</a>`,
          moment(requestedAt, nowMs),
          causes[cause],
          html`${state(phase)}${error ? html`<span class="why">${error}</span>` : ''}`,
          filled(contexts),
          readyAfterMs === null ? '–' : duration(readyAfterMs),
        ]),
        empty: html`<p><strong>No region was seeded yet.</strong> A region is filled when it is <a href="/regions">added</a>, when its table is lost, and when somebody asks; it serves once it is verified to hold everything.</p>`,
      })}${pager(url, body.nextCursor)}`,
    };
  },
};
