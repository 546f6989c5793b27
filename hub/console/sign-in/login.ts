import { html } from 'hono/html';
import { cookieWith } from '../../auth/session-cookie.ts';
import { signedIn } from '../../auth/sessions.ts';
import { signInByPassword } from '../../auth/sign-in.ts';
import type { Services } from '../../services.ts';
import { pageAnswer } from '../layout.ts';
import { ownPath, type Page, type PageCall, seeOther } from '../page.ts';
import { browserOf, homePath } from './browser.ts';
import { emailField, faults, passwordField, providerLink } from './fields.ts';

export const loginPage: Page = {
  method: 'GET',
  path: '/login',
  async handle({ request, url, services }) {
    const next = ownPath(url.searchParams.get('next'), homePath);
    if (await signedIn(request, services)) return seeOther(next);
    return answer({ email: '', next, services });
  },
};

export const login: Page = {
  method: 'POST',
  path: '/login',
  async handle(call) {
    const { form, services, site } = call;
    const email = form.get('email').trim().toLowerCase().slice(0, 254);
    const next = ownPath(form.get('next'), homePath);
    const given = { email, password: form.get('password') };
    const signIn = await signInByPassword(given, browserOf(call), services);
    switch (signIn.outcome) {
      case 'signed-in':
        return seeOther(next, cookieWith(site, signIn.token, services.people.sessionMs));
      case 'refused':
        return answer({ email, next, services, wrong: ['Email address or password is wrong.'], status: 401 });
      case 'limited':
        return limitedAnswer(signIn.waitMs, (wrong, status, more) =>
          answer({ email, next, services, wrong, status, more }),
        );
    }
  },
};

/** Says how long to wait, in a page that goes on from there. */
export function limitedAnswer(
  waitMs: number,
  page: (wrong: string[], status: number, more: Record<string, string>) => Promise<Response>,
): Promise<Response> {
  const minutes = Math.ceil(waitMs / 60_000);
  const wrong = [`Too many attempts. Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`];
  return page(wrong, 429, { 'retry-after': String(Math.ceil(waitMs / 1000)) });
}

function answer(shown: {
  email: string;
  next: string;
  services: Services;
  wrong?: string[];
  status?: number;
  more?: Record<string, string>;
}): Promise<Response> {
  const { email, next, services, wrong = [], status = 200, more = {} } = shown;
  const content = html`${faults(wrong)}
<form method="post" action="/login">
<input type="hidden" name="next" value="${next}">
${emailField(email)}
${passwordField('Password')}
<p><button type="submit">Sign in</button></p>
</form>
${providerLink(services, `next=${encodeURIComponent(next)}`)}
<p>Forgot it? Whoever manages people here can give you a link to a new one.</p>`;
  return pageAnswer('Sign in', content, { status, more });
}

/** Who is signed in, or the answer that has them do so and come back. */
export async function whoIsSignedIn(call: Pick<PageCall, 'request' | 'url' | 'services'>) {
  const person = await signedIn(call.request, call.services);
  if (person) return { person };
  const next = call.request.method === 'GET' ? call.url.pathname + call.url.search : homePath;
  return { instead: seeOther(`/login?next=${encodeURIComponent(next)}`) };
}
