import { html } from 'hono/html';
import type { Done } from '../api.ts';
import { waitingForFence } from '../parts/propagation.ts';
import type { Html } from '../screen.ts';
import type { KeyCreated } from './keys.ts';

/** The one time that a secret is seen. */
export function secretOf({ body, fence, replayed }: Done<KeyCreated>, what: 'created' | 'rotated'): Html {
  const { id, secret } = body;
  return html`${
    secret
      ? html`<div class="notice good" role="status"><p><strong>The key is ${what}. Copy its secret now:</strong> the hub keeps none, and nobody can see it again.</p></div><p class="secret"><code id="secret">${secret}</code> <button type="button" data-copy="secret" hidden>Copy</button></p>`
      : html`<div class="notice warn" role="alert"><p><strong>The key was ${what} already</strong>, and its secret was shown then. If nobody copied it, rotate the key.</p></div>`
  }${fence && !replayed ? waitingForFence(fence) : ''}<p><a href="/agent-keys/${id}">To the key</a></p>`;
}
