import { waysIn } from '../../auth/identities.ts';
import type { SignedIn } from '../../auth/sessions.ts';
import { checkPassword } from '../../auth/sign-in.ts';
import type { PageCall } from '../page.ts';
import { accountAnswer } from './account.ts';
import { limitedAnswer } from './login.ts';

/** For how long somebody counts as having just signed in. */
const recentlyMs = 10 * 60_000;

/**
 * Before what opens the account to somebody for good: that its holder sits there, and not who found the browser open or
 * the cookie. By the present password; of an account without one, by a sign-in of lately. Undefined where it is shown,
 * else the answer that asks for it.
 */
export async function unlessHolder(call: PageCall, person: SignedIn): Promise<Response | undefined> {
  const { services } = call;
  const { hasPassword } = await waysIn(services.database.db, person.user.id);
  if (hasPassword) return unlessKnowsPassword(call, person);
  if (services.clock.now() - person.session.createdAt.getTime() <= recentlyMs) return undefined;
  const wrong = ['You signed in a while ago. Sign out, sign in, and do this again within ten minutes.'];
  return accountAnswer(person, services, { wrong, status: 401 });
}

/** By the present password alone: who has none does not get one by this. */
export async function unlessKnowsPassword(
  { form, services, source }: PageCall,
  person: SignedIn,
): Promise<Response | undefined> {
  const refuse = (wrong: string[], status: number, more: Record<string, string> = {}) =>
    accountAnswer(person, services, { wrong, status, more });
  const guess = await checkPassword(person.user.email, form.get('present'), source, services);
  if (guess.outcome === 'limited') return limitedAnswer(guess.waitMs, refuse);
  return guess.outcome === 'refused' ? refuse(['The present password is wrong.'], 401) : undefined;
}
