import { tokenFromCookie } from '../../auth/session-cookie.ts';
import type { Browser } from '../../auth/sign-in.ts';
import type { PageCall } from '../page.ts';

/** Where somebody goes who has signed in and wanted nothing in particular. */
export const homePath = '/';

/** The browser of a request, for the session it is to be given. */
export function browserOf({ request, site, source, requestId }: PageCall): Browser {
  const userAgent = request.headers.get('user-agent') ?? '';
  return { replaces: tokenFromCookie(request, site), source, userAgent, requestId };
}
