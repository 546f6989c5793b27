import { html } from 'hono/html';
import type { Content, Html } from '../screen.ts';

/** The one time that a secret is seen; `lost` where it was seen before, and is kept nowhere. */
export function shownOnce(secret: string | undefined, words: string, lost: Content): Html {
  if (secret === undefined) return html`<div class="notice warn" role="alert"><p>${lost}</p></div>`;
  return html`<div class="notice good" role="status"><p><strong>${words}</strong> the hub keeps none, and nobody can see it again.</p></div><p class="secret"><code id="secret">${secret}</code> <button type="button" data-copy="secret" hidden>Copy</button></p>`;
}
