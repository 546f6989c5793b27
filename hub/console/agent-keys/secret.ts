import { html } from 'hono/html';
import type { Done } from '../api.ts';
import { waitingForFence } from '../parts/propagation.ts';
import { shownOnce } from '../parts/secret.ts';
import type { Html } from '../screen.ts';
import type { KeyCreated } from './keys.ts';

/** The one time that a secret is seen. */
export function secretOf({ body, fence, replayed }: Done<KeyCreated>, what: 'created' | 'rotated'): Html {
  const { id, secret } = body;
  const lost = html`<strong>The key was ${what} already</strong>, and its secret was shown then. If nobody copied it, rotate the key.`;
  return html`${shownOnce(secret, `The key is ${what}. Copy its secret now:`, lost)}${fence && !replayed ? waitingForFence(fence) : ''}<p><a href="/agent-keys/${id}">To the key</a></p>`;
}
