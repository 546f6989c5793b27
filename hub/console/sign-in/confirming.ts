import { html } from 'hono/html';
import { waysIn } from '../../auth/identities.ts';
import type { SignedIn } from '../../auth/sessions.ts';
import { checkPassword } from '../../auth/sign-in.ts';
import type { Services } from '../../services.ts';
import type { Api } from '../api.ts';
import type { Html } from '../layout.ts';
import type { PageCall } from '../page.ts';
import { hidden } from '../parts/fields.ts';
import { faults, hiddenEmail, passwordField } from './fields.ts';
import { minutesOf } from './login.ts';

/** The field that a form of {@link askForPassword} adds to what it sends again. */
const field = 'present';

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

/** What the password that came with a form says: nothing, where none did. */
export type Confirmation =
  | { outcome: 'none' | 'right' }
  | { outcome: 'wrong'; fault: string; status: number; headers: Record<string, string> };

export async function confirmationIn(
  { form, source, services }: PageCall,
  { user }: SignedIn,
): Promise<Confirmation> {
  const password = form.get(field);
  if (password === '') return { outcome: 'none' };
  const guess = await checkPassword(user.email, password, source, services);
  if (guess.outcome === 'right') return { outcome: 'right' };
  if (guess.outcome === 'refused')
    return { outcome: 'wrong', fault: 'The password is wrong.', status: 401, headers: {} };
  return {
    outcome: 'wrong',
    fault: `Too many attempts. Try again in ${minutesOf(guess.waitMs)}.`,
    status: 429,
    headers: { 'retry-after': String(Math.ceil(guess.waitMs / 1000)) },
  };
}

/** Asks for the password, and then sends the same form again: nothing that was typed is lost. */
export function askForPassword(
  { form, url }: PageCall,
  { user }: SignedIn,
  confirmation: Confirmation,
): { title: string; content: Html; status: number; headers: Record<string, string> } {
  const again = form.entries().filter(([name]) => name !== field);
  const { status, headers, fault } =
    confirmation.outcome === 'wrong' ? confirmation : { status: 403, headers: {}, fault: undefined };
  return {
    title: 'Confirm that it is you',
    content: html`${faults(fault === undefined ? [] : [fault])}<p>Nothing was done yet. What this gives outlasts your session, and you signed in a while ago: show that it is you who sits there.</p><form method="post" action="${url.pathname}${url.search}">${again.map(([name, value]) => hidden(name, value))}${hiddenEmail(user.email)}${passwordField('Your password', field)}<p class="actions"><button class="primary">Go on</button></p></form>`,
    status,
    headers,
  };
}
