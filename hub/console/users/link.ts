import { html } from 'hono/html';
import { createUserLink } from '../../api/users/link.ts';
import { shownOnce } from '../parts/secret.ts';
import { moment } from '../parts/words.ts';
import { needed, type Screen } from '../screen.ts';

/** Another one-time link: for an invitation that was lost, or a password that was forgotten. */
export const userLink: Screen = {
  method: 'POST',
  path: '/users/{id}/link',
  async handle({ api, form, params, nowMs }) {
    const made = await api.call(createUserLink, {
      params,
      body: { purpose: form.get('purpose') },
      idempotencyKey: form.given('idempotencyKey'),
    });
    const { secret, userId, purpose, expiresAt } = needed(made).body;
    const lost = html`<strong>The link was made already</strong>, and shown then. Make another: the earlier one stops working.`;
    const what =
      purpose === 'invitation'
        ? 'accept the invitation'
        : 'choose another password, which ends their sessions and their own application keys';
    return {
      title: 'A link to hand over',
      content: html`${shownOnce(secret, `With this link they ${what}. Hand it over now:`, lost)}<p>It works once, and ends ${moment(expiresAt, nowMs)}.</p><p><a href="/users/${userId}">To the person</a></p>`,
    };
  },
};
