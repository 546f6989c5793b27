/** Where a browser believes the hub to be. */
export interface Site {
  /** `https://hub.example`. */
  origin: string;
  /** The session's cookie there. */
  cookieName: string;
  /** Whether cookies are for https alone. */
  secure: boolean;
}

/**
 * The site that a request belongs to: the public URL where one is configured, else this machine's loopback, where
 * browsers keep cookies without https. Undefined for anything else: a cookie there could be read on the way, and a
 * name that is not ours may belong to somebody who has pointed it at us.
 *
 * `__Host-` makes browsers refuse the cookie from anywhere but this very host over https. On loopback it is called by
 * the port, because cookies of one host are shared by all its ports.
 */
export function siteOf(request: Request, publicUrl: string | undefined): Site | undefined {
  const url = new URL(publicUrl ?? request.url);
  if (url.protocol === 'https:' && publicUrl !== undefined)
    return { origin: url.origin, cookieName: '__Host-spokecast-session', secure: true };
  if (!isLoopback(url.hostname)) return undefined;
  const origin = `http://${url.host}`;
  return { origin, cookieName: `spokecast-session-${url.port || '80'}`, secure: false };
}

export function isLoopback(hostname: string): boolean {
  return /^(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
}
