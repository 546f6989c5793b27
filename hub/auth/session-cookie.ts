import { isLoopback, type Site } from './site.ts';
import { isToken } from './tokens.ts';

/** The token that the request's cookie carries for that site; undefined where none does, or not in its form. */
export function tokenFromCookie(request: Request, site: Site): string | undefined {
  const token = readCookie(request, site.cookieName);
  return isToken(token) ? token : undefined;
}

/** What a cookie holds; undefined where there is none of that name. */
export function readCookie(request: Request, name: string): string | undefined {
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** The `set-cookie` that gives a browser its token, until the session's absolute end. */
export function cookieWith(site: Site, token: string, maxAgeMs: number): string {
  return `${site.cookieName}=${token}; Max-Age=${Math.floor(maxAgeMs / 1000)}; ${attributes(site)}`;
}

/** The `set-cookie` that takes it away. */
export function cookieGone(site: Site): string {
  return `${site.cookieName}=; Max-Age=0; ${attributes(site)}`;
}

/** Of every cookie of ours: for this host alone, not for scripts, and not with other sites' forms. */
export function attributes({ secure, origin }: Site): string {
  if (!secure && !isLoopback(new URL(origin).hostname)) throw new Error(`no cookie for ${origin}`);
  return `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}
