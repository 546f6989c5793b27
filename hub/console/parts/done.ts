import { html } from 'hono/html';
import type { Html, View } from '../screen.ts';
import { waitingForFence } from './propagation.ts';

/** What a page that follows a change says of it. The address only chooses the sentence. */
const sentences: Readonly<Record<string, string>> = {
  created: 'Created.',
  imported: 'Imported. Agents go on with the secret they have.',
  restored: 'Brought back, as it was.',
  changed: 'Changed.',
  deleted: 'Deleted.',
  unchanged: 'Nothing was different, so nothing was changed.',
  requested: 'Requested. It begins as soon as a publisher takes it up.',
  approved: 'Approved: the publisher lets through exactly what was held then.',
  frozen: 'Frozen. Publishers obey within a second.',
  lifted: 'The freeze is lifted. A sweep publishes what was not.',
  revoked: 'Revoked. Gateways refuse it from now on.',
};

/** After a change: that it is made, and live how far it has come. */
export function done({ url }: View): Html | string {
  const sentence = sentences[url.searchParams.get('done') ?? ''];
  if (sentence === undefined) return '';
  const fence = url.searchParams.get('fence') ?? '';
  return html`<div class="notice good" role="status"><p>${sentence}</p></div>${/^fen_[0-9a-z]{26}$/.test(fence) ? waitingForFence(fence) : ''}`;
}

/** The address of a page that tells of a change. */
export function afterChange(path: string, what: string, fence: string | undefined): { redirect: string } {
  const query = new URLSearchParams({ done: what, ...(fence ? { fence } : {}) });
  return { redirect: `${path}?${query}` };
}
