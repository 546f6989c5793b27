import { html } from 'hono/html';
import { getContextHistory } from '../../api/contexts/history.ts';
import { entryTable } from '../audit-log/table.ts';
import { pager } from '../parts/table.ts';
import { needed, type Screen } from '../screen.ts';

/** What was done to one context, and by whom. */
export const contextHistoryPage: Screen = {
  method: 'GET',
  path: '/contexts/{kind}/{key}/history',
  async handle(view) {
    const { api, params, url } = view;
    const query = { cursor: url.searchParams.get('cursor') ?? undefined };
    const { body } = needed(await api.call(getContextHistory, { params, query }));
    const { kind = '', key = '' } = params;
    return {
      title: `History of ${kind} ${key}`,
      content: html`<p>What was done to it, the latest first, and what went or came back with its cluster or its tenant. <a href="/contexts/${kind}/${key}">What every region holds of it</a></p>${entryTable(
        body.items,
        view.nowMs,
        html`<p><strong>The audit log has nothing of it.</strong> It was made or changed with SQL, or longer ago than the log is kept.</p>`,
      )}${pager(url, body.nextCursor)}`,
    };
  },
};
