import { html } from 'hono/html';
import { table } from '../parts/table.ts';
import { moment } from '../parts/words.ts';
import type { Content, Html } from '../screen.ts';
import { diffOf } from './diff.ts';
import type { EntryView } from './last-change.ts';

/** Entries of the audit log, with what each changed. */
export function entryTable(entries: readonly EntryView[], nowMs: number, empty: Content): Html {
  return table({
    caption: 'What was changed, by whom, latest first',
    head: ['When', 'Who', 'What', 'Before and after'],
    rows: entries.map((entry) => [
      moment(entry.at, nowMs),
      html`${entry.actor.name}<span class="why"><code>${entry.actor.id}</code></span>`,
      html`<strong>${entry.action}</strong><span class="why"><code>${entry.resourceId}</code></span>`,
      diffOf(entry.before, entry.after),
    ]),
    empty,
  });
}
