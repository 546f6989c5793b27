import { html } from 'hono/html';
import { getFence } from '../../api/fences/get.ts';
import { propagation } from '../parts/propagation.ts';
import { facts } from '../parts/table.ts';
import { id, moment } from '../parts/words.ts';
import { needed, type Screen } from '../screen.ts';

/** How long a look waits for something to happen: publishers look at gateways often while somebody waits. */
const waitMs = '300';

export const propagationPage: Screen = {
  method: 'GET',
  path: '/activity/{id}',
  async handle({ api, params, part, url, nowMs }) {
    if (part === 'propagation') {
      const { body } = needed(
        await api.call(getFence, {
          params: { id: encodeURIComponent(params.id!) },
          query: { timeoutMs: waitMs },
        }),
      );
      return { part: propagation(body, Number(url.searchParams.get('looks')) || 1) };
    }
    const { body } = needed(await api.call(getFence, { params: { id: encodeURIComponent(params.id!) } }));
    return {
      title: 'A change',
      content: html`${facts([
        ['Fence', id(body.id)],
        ['Committed', moment(body.committedAt, nowMs)],
      ])}<section class="propagation" aria-label="Propagation" aria-live="polite">${propagation(body, 1)}</section>`,
    };
  },
};
