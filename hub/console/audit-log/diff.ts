import { html } from 'hono/html';
import type { Html } from '../screen.ts';

type Representation = Readonly<Record<string, unknown>> | null;

/** Times that every change moves say nothing of it. */
const unsaid = new Set(['updatedAt', 'createdAt']);

/** What differs, field by field; all there is where the thing was made or went. */
export function diffOf(before: Representation, after: Representation): Html {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
    .filter((name) => !unsaid.has(name))
    .filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (names.length === 0) return html`<span class="hint">–</span>`;
  const only = before === null ? after : before;
  if (before === null || after === null)
    return html`<details><summary>${before === null ? 'made' : 'gone'}: ${names.length} fields</summary><pre tabindex="0">${JSON.stringify(only, null, 2)}</pre></details>`;
  return html`${names.map(
    (name) =>
      html`<div><strong>${name}</strong>: <del><code>${text(before[name])}</code></del> → <ins><code>${text(after[name])}</code></ins></div>`,
  )}`;
}

function text(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
