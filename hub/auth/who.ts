import { fail } from '../http/problems.ts';
import type { Services } from '../services.ts';
import type { Actor } from './actor.ts';
import { authenticate } from './authenticate.ts';
import { isFromOwnPages } from './same-origin.ts';
import { tokenFromCookie } from './session-cookie.ts';
import { signedIn, whyNowhere } from './sessions.ts';
import { siteOf } from './site.ts';

/**
 * Whose request to the API it is: the application key's that it shows, or else the person's whose browser is signed
 * in. A browser adds its cookie to whatever any site makes it send, so that a request by cookie must also be proven to
 * come from the hub's own pages; one that shows a key is not concerned.
 * @throws ProblemError 401, 403 or 429.
 */
export async function whoAsks(request: Request, source: string, services: Services): Promise<Actor> {
  const authorization = request.headers.get('authorization') ?? undefined;
  const site = siteOf(request, services.people.publicUrl);
  const byCookie = authorization === undefined && site && tokenFromCookie(request, site) !== undefined;
  if (!byCookie) return authenticate(authorization, source, services);

  if (!isFromOwnPages(request.method, request.headers, site)) fail('CROSS_ORIGIN');
  const person = await signedIn(request, services);
  if (!person)
    fail('UNAUTHENTICATED', {
      detail: 'Your session has ended: sign in again.',
      headers: { 'www-authenticate': 'Bearer realm="spokecast"' },
    });
  if (!person.actor) fail('FORBIDDEN', whyNowhere(person));
  return person.actor;
}
