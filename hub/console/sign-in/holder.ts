import { waysIn } from '../../auth/identities.ts';
import { type SignedIn, signedInLately } from '../../auth/sessions.ts';
import { checkPassword } from '../../auth/sign-in.ts';
import type { PageCall } from '../page.ts';
import { accountAnswer } from './account.ts';
import { limitedAnswer } from './login.ts';

/** The field of a form for {@link unlessKnowsPassword}. */
export const presentField = 'present';

/** The page that asks once more, and says what was wrong. */
export type Refuse = (wrong: string[], status: number, more?: Record<string, string>) => Promise<Response>;

/**
 * Before what opens the account to somebody for good: that its holder sits there, and not who found the browser open or
 * the cookie. By the present password; of an account without one, by a sign-in of lately. Undefined where it is shown,
 * else the answer that asks for it.
 */
export async function unlessHolder(
  call: PageCall,
  person: SignedIn,
  refuse: Refuse = onAccount(call, person),
): Promise<Response | undefined> {
  const { services } = call;
  const { hasPassword } = await waysIn(services.database.db, person.user.id);
  if (hasPassword) return unlessKnowsPassword(call, person, refuse);
  if (signedInLately(person.session.createdAt.getTime(), services)) return undefined;
  return refuse(['You signed in a while ago. Sign out, sign in, and do this again within ten minutes.'], 401);
}

/** By the present password alone: who has none does not get one by this. */
export async function unlessKnowsPassword(
  call: PageCall,
  person: SignedIn,
  refuse: Refuse = onAccount(call, person),
): Promise<Response | undefined> {
  const { form, services, source } = call;
  const guess = await checkPassword(person.user.email, form.get(presentField), source, services);
  if (guess.outcome === 'limited') return limitedAnswer(guess.waitMs, refuse);
  return guess.outcome === 'refused' ? refuse(['The present password is wrong.'], 401) : undefined;
}

function onAccount({ services }: PageCall, person: SignedIn): Refuse {
  return (wrong, status, more = {}) => accountAnswer(person, services, { wrong, status, more });
}
