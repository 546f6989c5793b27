import { eq } from 'drizzle-orm';
import { html } from 'hono/html';
import { findLink, type LinkRow } from '../../auth/one-time-links.ts';
import { cookieWith } from '../../auth/session-cookie.ts';
import { signedIn } from '../../auth/sessions.ts';
import { checkPassword, type UserRow } from '../../auth/sign-in.ts';
import { acceptInvitation } from '../../auth/welcome.ts';
import { users } from '../../db/people-tables.ts';
import { fail } from '../../http/problems.ts';
import type { Services } from '../../services.ts';
import { pageAnswer } from '../layout.ts';
import { type Page, type PageCall, seeOther } from '../page.ts';
import { browserOf, homePath } from './browser.ts';
import {
  faults,
  hiddenEmail,
  hiddenToken,
  nameField,
  newPasswordField,
  passwordField,
  providerLink,
  readNewAccount,
} from './fields.ts';
import { limitedAnswer } from './login.ts';

/**
 * How the one who opens the link shows that the account is theirs: by choosing its first password, by its password, or
 * by being signed in as that very person.
 */
type Standing = 'new' | 'has-password' | 'signed-in';

interface Opened {
  link: LinkRow;
  user: UserRow;
  standing: Standing;
}

export const invitationPage: Page = {
  method: 'GET',
  path: '/invitation',
  async handle({ request, url, services }) {
    const token = url.searchParams.get('token');
    const opened = await open(request, token, services);
    return answer(opened, { token: token!, name: '', services });
  },
};

export const invitationForm: Page = {
  method: 'POST',
  path: '/invitation',
  async handle(call) {
    const { request, form, services, source } = call;
    const token = form.get('token');
    const opened = await open(request, token, services);
    const { user, standing } = opened;
    if (standing === 'signed-in') return accepted(call, opened, 'holder');
    if (standing === 'has-password') {
      const guess = await checkPassword(user.email, form.get('password'), source, services);
      if (guess.outcome === 'right') return accepted(call, opened, 'holder');
      if (guess.outcome === 'limited')
        return limitedAnswer(guess.waitMs, (wrong, status, more) =>
          answer(opened, { token, services, name: '', wrong, status, more }),
        );
      return answer(opened, { token, services, name: '', wrong: ['The password is wrong.'], status: 401 });
    }
    const { name, password, wrong } = readNewAccount(form, user.email);
    if (wrong.length > 0) return answer(opened, { token, services, name, wrong, status: 422 });
    return accepted(call, opened, { name, password });
  },
};

async function open(request: Request, token: string | null, services: Services): Promise<Opened> {
  const { db } = services.database;
  const link = await findLink(db, 'invitation', token, services);
  const [user] = link ? await db.select().from(users).where(eq(users.id, link.userId!)) : [];
  if (!link || !user || user.status === 'disabled') return fail('LINK_USED_UP');
  if (user.status === 'invited') return { link, user, standing: 'new' };
  const person = await signedIn(request, services);
  return { link, user, standing: person?.user.id === user.id ? 'signed-in' : 'has-password' };
}

async function accepted(
  call: PageCall,
  { link }: Opened,
  proof: Parameters<typeof acceptInvitation>[1],
): Promise<Response> {
  const { services, site } = call;
  const welcomed = await acceptInvitation(link, proof, browserOf(call), services);
  if (welcomed.outcome === 'link-used-up') fail('LINK_USED_UP');
  return seeOther(homePath, cookieWith(site, welcomed.token, services.people.sessionMs));
}

function answer(
  { user, standing }: Opened,
  shown: {
    token: string;
    services: Services;
    name: string;
    wrong?: string[];
    status?: number;
    more?: Record<string, string>;
  },
): Promise<Response> {
  const { token, services, name, wrong = [], status = 200, more = {} } = shown;
  const asked = {
    new: html`<p>Choose a password for ${user.email}.</p>${nameField(name)}${newPasswordField()}`,
    'has-password': html`<p>${user.email} has an account here: its password shows that it is yours.</p>
${passwordField('Password')}`,
    'signed-in': html`<p>You are signed in as ${user.email}.</p>`,
  }[standing];
  return pageAnswer(
    'You are invited',
    html`${faults(wrong)}
<form method="post" action="/invitation">
${hiddenToken(token)}
${hiddenEmail(user.email)}
${asked}
<p><button type="submit">Accept</button></p>
</form>
${standing === 'signed-in' ? '' : providerLink(services, `invitation=${encodeURIComponent(token)}`)}`,
    { status, more },
  );
}
