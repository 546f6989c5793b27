import type { Site } from './site.ts';

/**
 * Whether a request that carries the session's cookie was made by our own pages, and not by another site's in the
 * same browser (cross-site request forgery).
 *
 * Browsers say so themselves, in headers that no page can set: `Sec-Fetch-Site`, which every current one sends to
 * https and loopback, and `Origin`. What changes something must be proven by one of them and contradicted by neither;
 * a request with neither is refused. What only reads may also be a navigation of the person's own.
 * There is no token in forms beside this: it would prove the same, and `SameSite=Lax` is a second line already.
 */
export function isFromOwnPages(method: string, headers: Headers, site: Site): boolean {
  const fetchSite = headers.get('sec-fetch-site');
  const origin = headers.get('origin');
  if (method === 'GET' || method === 'HEAD')
    return fetchSite === null || fetchSite === 'same-origin' || fetchSite === 'none';
  if (fetchSite !== null && fetchSite !== 'same-origin') return false;
  if (origin !== null && origin !== site.origin) return false;
  return fetchSite !== null || origin !== null;
}
