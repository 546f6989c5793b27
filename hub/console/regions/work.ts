import { html } from 'hono/html';
import type { z } from 'zod';
import { listSeedings } from '../../api/seedings/list.ts';
import { listSweeps } from '../../api/sweeps/list.ts';
import type { Sweep } from '../../api/sweeps/sweep.ts';
import { table } from '../parts/table.ts';
import { count, moment, state } from '../parts/words.ts';
import { type Html, needed, type View } from '../screen.ts';

export type SweepView = z.infer<typeof Sweep>;

/** How far the region is with being filled; nothing where it is not being filled. */
export async function seedingOf({ api }: View, region: string): Promise<Html | string> {
  const query = { region, limit: '1' };
  const { items } = needed(await api.call(listSeedings, { query })).body;
  const [seeding] = items;
  if (!seeding || seeding.finishedAt !== null) return '';
  const { phase, contexts, error, sweeps } = seeding;
  const { total, filled, checked } = contexts;
  const done = phase === 'checking' ? checked : filled;
  const words = {
    waiting: 'waits for a publisher to take it up',
    filling: `${count(filled)} of ${total === null ? '?' : count(total)} contexts are filled in`,
    checking: `${count(checked)} contexts are checked, by sweep ${sweeps}`,
    finished: 'is finished',
  }[phase];
  return html`<div class="notice" role="status"><p><strong>The region is being seeded:</strong> ${words}.</p>${total === null ? '' : html`<progress max="${total}" value="${Math.min(done, total)}" aria-label="Contexts">${done} of ${total}</progress>`}${error === null ? '' : html`<p>It is tried again: ${error}</p>`}</div>`;
}

export async function sweepTable({ api, nowMs }: View, region: string): Promise<Html> {
  const query = { region, limit: '5' };
  const { items } = needed(await api.call(listSweeps, { query })).body;
  return table({
    caption: 'The last sweeps',
    head: ['Asked', 'Cause', 'Status', 'Looked at', 'Mended', 'Held'],
    rows: items.map(({ requestedAt, cause, status, counts, error }) => [
      moment(requestedAt, nowMs),
      cause,
      html`${state(status)}${error ? html`<span class="why">${error}</span>` : ''}`,
      counts ? count(counts.scanned) : '–',
      counts ? count(counts.missing + counts.stale + counts.corrupt + counts.orphan + counts.ahead) : '–',
      counts ? count(counts.held) : '–',
    ]),
    empty: html`<p><strong>It was not swept yet.</strong> A sweep compares everything the region should hold with everything it holds, and repairs the difference.</p>`,
  });
}
