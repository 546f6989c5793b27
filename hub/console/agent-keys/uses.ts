import { html } from 'hono/html';
import type { z } from 'zod';
import type { AgentKeyWithUses } from '../../api/agent-keys/use.ts';
import { table } from '../parts/table.ts';
import { moment, state } from '../parts/words.ts';
import type { Html } from '../screen.ts';

type Uses = z.infer<typeof AgentKeyWithUses>['uses'];

/** Where a key was used last; where nobody has told of a use, what that means. */
export function useTable(uses: Uses, nowMs: number): Html {
  return table({
    caption: 'Where the key was last used',
    head: ['Region', 'Use', 'Last used', 'Told since'],
    rows: uses.map(({ region, state: name, lastUsedAt, reportedSince }) => [
      html`<strong>${region}</strong>`,
      html`${state(name, name === 'used' ? 'good' : name === 'never' ? 'calm' : 'warn')}${name === 'unknown' ? html`<span class="why">${reportedSince === null ? 'a gateway there does not tell' : 'not since then; nobody can say of before'}</span>` : ''}`,
      moment(lastUsedAt, nowMs),
      moment(reportedSince, nowMs),
    ]),
    empty: html`<p>The cluster is placed in no region, so the key is served nowhere.</p>`,
  });
}
