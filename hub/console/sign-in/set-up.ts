import { html } from 'hono/html';
import { email as emailSchema } from '../../api/users/user.ts';
import { findLink } from '../../auth/one-time-links.ts';
import { cookieWith } from '../../auth/session-cookie.ts';
import { isWithoutPeople, setUp } from '../../auth/welcome.ts';
import { fail } from '../../http/problems.ts';
import { pageAnswer } from '../layout.ts';
import { type Page, seeOther } from '../page.ts';
import { browserOf, homePath } from './browser.ts';
import { emailField, faults, hiddenToken, nameField, newPasswordField, readNewAccount } from './fields.ts';

const renew = 'Run `spokecast hub set-up-link` for another, or sign in if somebody has set this hub up.';

export const setUpPage: Page = {
  method: 'GET',
  path: '/set-up',
  async handle({ url, services }) {
    const token = url.searchParams.get('token');
    const { db } = services.database;
    const link = await findLink(db, 'set-up', token, services);
    if (!link || !(await isWithoutPeople(db))) fail('LINK_USED_UP', renew);
    return answer({ token: token!, email: '', name: '' });
  },
};

export const setUpForm: Page = {
  method: 'POST',
  path: '/set-up',
  async handle(call) {
    const { form, services, site } = call;
    const token = form.get('token');
    const link = await findLink(services.database.db, 'set-up', token, services);
    if (!link) fail('LINK_USED_UP', renew);
    const email = emailSchema.safeParse(form.get('email'));
    const { name, password, wrong } = readNewAccount(form, email.data ?? '');
    if (!email.success) wrong.unshift(`The email address ${email.error.issues[0]!.message}.`);
    if (wrong.length > 0 || !email.success)
      return answer({ token, email: form.get('email'), name, wrong, status: 422 });
    const welcomed = await setUp(link, { email: email.data, name, password }, browserOf(call), services);
    if (welcomed.outcome === 'link-used-up') fail('LINK_USED_UP', renew);
    return seeOther(homePath, cookieWith(site, welcomed.token, services.people.sessionMs));
  },
};

function answer(shown: {
  token: string;
  email: string;
  name: string;
  wrong?: string[];
  status?: number;
}): Promise<Response> {
  const { token, email, name, wrong = [], status = 200 } = shown;
  return pageAnswer(
    'Set up this hub',
    html`<p>You become the owner of the platform: you can do everything, and invite others.</p>
${faults(wrong)}
<form method="post" action="/set-up">
${hiddenToken(token)}
${emailField(email)}
${nameField(name)}
${newPasswordField()}
<p><button type="submit">Set up</button></p>
</form>`,
    { status },
  );
}
