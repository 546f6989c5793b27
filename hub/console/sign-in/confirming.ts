import { html } from 'hono/html';
import { waysIn } from '../../auth/identities.ts';
import type { SignedIn } from '../../auth/sessions.ts';
import type { Services } from '../../services.ts';
import type { Api } from '../api.ts';
import type { Html } from '../layout.ts';
import type { PageCall } from '../page.ts';
import { hidden } from '../parts/fields.ts';
import { faults, hiddenEmail, passwordField } from './fields.ts';
import { presentField } from './holder.ts';

/** The API did nothing, because whoever sits there may be another than who signed in; a password would show it. */
export class ConfirmationNeeded extends Error {}

/**
 * The API for a form that can be sent once more with the password. Its calls throw ConfirmationNeeded where that is what
 * is wanted; who has no password reads what the API says of it.
 */
export function confirmable(api: Api, { user }: SignedIn, { database }: Services): Api {
  return {
    async call(route, sent) {
      const answered = await api.call(route, sent);
      const isUnsure = answered.outcome === 'refused' && answered.problem.code === 'SIGN_IN_AGAIN';
      if (isUnsure && (await waysIn(database.db, user.id)).hasPassword) throw new ConfirmationNeeded();
      return answered;
    },
  };
}

/** Asks for the password, and then sends the same form again: nothing that was typed is lost. */
export function askForPassword({ form, url }: PageCall, { user }: SignedIn, wrong: readonly string[]): Html {
  const again = form.entries().filter(([name]) => name !== presentField);
  return html`${faults(wrong)}<p>Nothing was done yet. What this gives outlasts your session, and you signed in a while ago: show that it is you who sits there.</p><form method="post" action="${url.pathname}${url.search}">${again.map(([name, value]) => hidden(name, value))}${hiddenEmail(user.email)}${passwordField('Present password', presentField)}<p class="actions"><button class="primary">Go on</button></p></form>`;
}
