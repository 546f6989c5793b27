import { eq } from 'drizzle-orm';
import { html } from 'hono/html';
import { findLink } from '../../auth/one-time-links.ts';
import { passwordFault } from '../../auth/passwords.ts';
import { cookieWith } from '../../auth/session-cookie.ts';
import { resetPassword } from '../../auth/welcome.ts';
import { users } from '../../db/people-tables.ts';
import { fail } from '../../http/problems.ts';
import type { Services } from '../../services.ts';
import { pageAnswer } from '../layout.ts';
import { type Page, seeOther } from '../page.ts';
import { browserOf, homePath } from './browser.ts';
import { faults, hiddenEmail, hiddenToken, newPasswordField } from './fields.ts';

export const passwordResetPage: Page = {
  method: 'GET',
  path: '/password-reset',
  async handle({ url, services }) {
    const token = url.searchParams.get('token');
    const { email } = await linkAndEmail(token, services);
    return answer({ token: token!, email });
  },
};

export const passwordResetForm: Page = {
  method: 'POST',
  path: '/password-reset',
  async handle(call) {
    const { form, services, site } = call;
    const token = form.get('token');
    const { link, email } = await linkAndEmail(token, services);
    const password = form.get('password');
    const fault = passwordFault(password, email);
    if (fault !== undefined) return answer({ token, email, wrong: [`The password ${fault}.`], status: 422 });
    const welcomed = await resetPassword(link, password, browserOf(call), services);
    if (welcomed.outcome === 'link-used-up') fail('LINK_USED_UP');
    return seeOther(homePath, cookieWith(site, welcomed.token, services.people.sessionMs));
  },
};

async function linkAndEmail(token: string | null, services: Services) {
  const { db } = services.database;
  const link = await findLink(db, 'password-reset', token, services);
  if (!link) return fail('LINK_USED_UP');
  const [user] = await db.select({ email: users.email }).from(users).where(eq(users.id, link.userId!));
  return { link, email: user!.email };
}

function answer(shown: {
  token: string;
  email: string;
  wrong?: string[];
  status?: number;
}): Promise<Response> {
  const { token, email, wrong = [], status = 200 } = shown;
  return pageAnswer(
    'Choose a new password',
    html`<p>For ${email}. You will be signed out everywhere else, and your own application keys end: make new ones afterwards.</p>
${faults(wrong)}
<form method="post" action="/password-reset">
${hiddenToken(token)}
${hiddenEmail(email)}
${newPasswordField()}
<p><button type="submit">Change the password</button></p>
</form>`,
    { status },
  );
}
