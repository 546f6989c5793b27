import { html } from 'hono/html';
import { reasonOf } from '../../auth/oidc.ts';
import { type Admitted, admit, linkIdentity } from '../../auth/oidc-people.ts';
import { findLink } from '../../auth/one-time-links.ts';
import { isFromOwnPages } from '../../auth/same-origin.ts';
import { attributes, cookieWith, readCookie, tokenFromCookie } from '../../auth/session-cookie.ts';
import { signedIn } from '../../auth/sessions.ts';
import type { Site } from '../../auth/site.ts';
import { hashOfToken } from '../../auth/tokens.ts';
import { fail } from '../../http/problems.ts';
import { pageAnswer } from '../layout.ts';
import { ownPath, type Page, type PageCall, seeOther } from '../page.ts';
import { browserOf, homePath } from './browser.ts';
import { unlessHolder } from './holder.ts';
import { whoIsSignedIn } from './login.ts';

/** What a browser keeps while its person is at the provider, in a cookie for ten minutes. */
interface Flow {
  token: string;
  next: string;
  /** The token of an invitation that is to be accepted. */
  invitation: string;
  /** The hash of the session whose person began it to have the account opened by this identity from now on. */
  linksSession: string;
}

const flowSeconds = 600;
const callbackPath = '/login/oidc/callback';

export const oidcStart: Page = {
  method: 'GET',
  path: '/login/oidc',
  async handle(call) {
    const next = ownPath(call.url.searchParams.get('next'), homePath);
    const invitation = call.url.searchParams.get('invitation') ?? '';
    // Signing in as oneself does no harm from anywhere; accepting somebody's invitation is a change (and the provider
    // may ask nothing).
    if (invitation !== '' && !isFromOwnPages('GET', call.request.headers, call.site)) fail('CROSS_ORIGIN');
    const { url, cookie } = await begin(call, { next, invitation, linksSession: '' });
    return seeOther(url.href, cookie);
  },
};

/**
 * Begins linking, which only a form of ours may, and only the account's holder: otherwise somebody could have a victim's
 * account opened by an identity of their own. It answers with a link to follow, because forms are not let through to other sites.
 */
export const oidcLink: Page = {
  method: 'POST',
  path: '/account/oidc',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const refusal = await unlessHolder(call, person);
    if (refusal) return refusal;
    const { url, cookie } = await begin(call, {
      next: '/account',
      invitation: '',
      linksSession: sessionMark(call),
    });
    const { name } = providerOf(call).provider.settings;
    return pageAnswer(
      `Continue with ${name}`,
      html`<p>Whoever you sign in as there can open this account from then on.</p>
<p><a href="${url.href}">Continue</a></p>`,
      { more: { 'set-cookie': cookie } },
    );
  },
};

export const oidcCallback: Page = {
  method: 'GET',
  path: callbackPath,
  async handle(call) {
    const { request, site, services, url, requestId, source } = call;
    const { provider, rules } = providerOf(call);
    const flow = readFlow(request, site);
    if (!flow) fail('SIGN_IN_LOST');
    const guess = await services.guesses.guess(source, answersFrom(source));
    if (guess.outcome === 'limited') {
      services.metrics.signIns.inc({ how: 'oidc', outcome: 'limited' });
      fail('TOO_MANY_FAILED_LOGINS', { headers: { 'retry-after': String(Math.ceil(guess.waitMs / 1000)) } });
    }
    const answer = await provider.finish(new URL(site.origin + callbackPath + url.search), flow.token);
    if (answer.outcome === 'identified') await guess.worked();
    if (answer.outcome === 'failed') await guess.untold();
    if (answer.outcome !== 'identified') {
      services.metrics.signIns.inc({ how: 'oidc', outcome: answer.outcome });
      services.log.warn(
        { requestId, outcome: answer.outcome, reason: answer.reason },
        'no sign-in by the provider',
      );
    }
    switch (answer.outcome) {
      case 'not-ours':
        return fail('SIGN_IN_LOST');
      case 'declined':
        return fail('SIGN_IN_REFUSED', `The provider says: ${answer.reason}.`);
      case 'failed':
        return fail('PROVIDER_UNAVAILABLE');
    }
    const browser = browserOf(call);
    const parts = { ...services, rules };
    if (flow.linksSession !== '') {
      const person = await signedIn(request, services);
      if (!person || sessionMark(call) !== flow.linksSession) fail('SIGN_IN_LOST');
      const linked = await linkIdentity(person, answer.identity, browser, parts);
      if (linked === 'linked') return seeOther('/account', flowGone(site));
      if (linked === 'signed-out') fail('SIGN_IN_LOST');
      return fail('SIGN_IN_REFUSED', advice[linked]);
    }
    const { db } = services.database;
    const invitation =
      flow.invitation === '' ? undefined : await findLink(db, 'invitation', flow.invitation, services);
    if (flow.invitation !== '' && !invitation) fail('LINK_USED_UP');
    const admitted = await admit(answer.identity, invitation, browser, parts);
    if (admitted.outcome === 'link-used-up') return fail('LINK_USED_UP');
    if (admitted.outcome !== 'signed-in') return fail('SIGN_IN_REFUSED', advice[admitted.outcome]);
    const signedInAnswer = seeOther(flow.next, cookieWith(site, admitted.token, services.people.sessionMs));
    signedInAnswer.headers.append('set-cookie', flowGone(site));
    return signedInAnswer;
  },
};

/**
 * What the answers are counted as that come from there. A browser's cookie proves nothing to the hub, which keeps
 * nothing of a flow: anybody can make up a cookie with an answer that fits it, and each has the hub ask the provider.
 */
function answersFrom(source: string): string {
  return `oidc ${source}`;
}

/** What somebody can do who was not let in. */
const advice: Record<Exclude<Admitted['outcome'], 'signed-in' | 'link-used-up'>, string> = {
  'wrong-domain':
    'Your address there is not verified, or not of a domain that may come in. Whoever runs this hub can add the domain.',
  disabled: 'Your account here is disabled. Whoever manages people here can enable it.',
  unknown:
    'Nobody has invited you yet. Ask for an invitation, and continue with the provider from the page behind its link.',
  'address-taken':
    'There is an account with this address. Sign in to it as you did before; “Your account” then lets you use the provider from now on.',
  'of-somebody-else':
    'That identity opens another account here already, which has another address. Ask for an invitation of that address.',
};

function providerOf({ services }: PageCall) {
  return services.oidc ?? fail('NOT_FOUND', 'This hub knows no OpenID provider.');
}

async function begin(call: PageCall, rest: Omit<Flow, 'token'>): Promise<{ url: URL; cookie: string }> {
  const { site, services, requestId } = call;
  const { provider } = providerOf(call);
  try {
    const { url, token } = await provider.begin(site.origin + callbackPath);
    const flow = Buffer.from(JSON.stringify({ token, ...rest })).toString('base64url');
    return { url, cookie: `${flowCookie(site)}=${flow}; Max-Age=${flowSeconds}; ${attributes(site)}` };
  } catch (error) {
    services.log.warn({ requestId, reason: reasonOf(error) }, 'the OpenID provider cannot be discovered');
    return fail('PROVIDER_UNAVAILABLE');
  }
}

function readFlow(request: Request, site: Site): Flow | undefined {
  try {
    const text = Buffer.from(readCookie(request, flowCookie(site)) ?? '', 'base64url').toString();
    const { token, next, invitation, linksSession } = JSON.parse(text) as Record<string, unknown>;
    if (![token, next, invitation, linksSession].every((one) => typeof one === 'string')) return undefined;
    return {
      token: String(token),
      next: ownPath(String(next), homePath),
      invitation: String(invitation),
      linksSession: String(linksSession),
    };
  } catch {
    return undefined;
  }
}

/** Cookies can be put into a browser by others; one that fits its session cannot. */
function sessionMark({ request, site }: PageCall): string {
  return hashOfToken(tokenFromCookie(request, site) ?? '');
}

function flowCookie(site: Site): string {
  return `${site.cookieName}-oidc`;
}

function flowGone(site: Site): string {
  return `${flowCookie(site)}=; Max-Age=0; ${attributes(site)}`;
}
