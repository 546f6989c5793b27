import type { Context } from 'hono';
import { isFromOwnPages } from '../auth/same-origin.ts';
import { type Site, siteOf } from '../auth/site.ts';
import { type Form, formOf, readForm } from '../http/form.ts';
import { fail } from '../http/problems.ts';
import type { RequestState } from '../http/request.ts';
import type { Services } from '../services.ts';

/** A page of the console, or what a form of one is sent to. */
export interface Page {
  method: 'GET' | 'POST';
  /** As routes write it: `/tenants/{id}`. */
  path: string;
  /** For programs, without a cookie, and told of problems as programs are. */
  from?: 'programs';
  handle(call: PageCall): Promise<Response>;
}

export interface PageCall {
  request: Request;
  url: URL;
  params: Record<string, string>;
  site: Site;
  /** Empty for GET. */
  form: Form;
  /** The network the request comes from. */
  source: string;
  requestId: string;
  state: RequestState;
  services: Services;
}

const emptyForm = formOf(new URLSearchParams());

/**
 * What every page goes through: it is asked for where the hub is at home, and a form comes from a page of ours, signed
 * in or not (a stranger's form must not sign somebody in as the stranger).
 */
export async function runPage(
  page: Page,
  c: Context,
  state: RequestState,
  services: Services,
): Promise<Response> {
  const request = c.req.raw;
  const site = siteOf(request, services.people.publicUrl);
  if (!site) fail('PUBLIC_URL_UNSET');
  const isForm = page.method === 'POST' && page.from !== 'programs';
  if (isForm && !isFromOwnPages('POST', request.headers, site))
    fail('CROSS_ORIGIN', `Open ${site.origin} and try again there.`);
  const params = c.req.param() as Record<string, string>;
  if (!Object.values(params).every(isName)) fail('NOT_FOUND');
  const form = page.method === 'POST' ? await readForm(request) : emptyForm;
  const { source, requestId } = state;
  return page.handle({
    ...{ request, site, form, source, requestId, state, services },
    url: new URL(request.url),
    params,
  });
}

/**
 * Whether a part of a path, decoded, is a name and no path itself: pages put it into a path of the API, where `..%2F`
 * would be a way to another thing than the page speaks of.
 */
function isName(text: string): boolean {
  return /^[\w.:-]+$/.test(text) && !/^\.+$/.test(text);
}

/** Sends the browser on, by a GET. */
export function seeOther(location: string, cookie?: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location, 'cache-control': 'no-store', ...(cookie ? { 'set-cookie': cookie } : {}) },
  });
}

/**
 * Where to go on after signing in: a path of ours, whatever a link says. Judged as it is read, not as it was written:
 * `/..//evil.example` is the path `//evil.example`, which browsers take for another host.
 */
export function ownPath(wanted: string | null | undefined, otherwise: string): string {
  const at = wanted?.startsWith('/') ? URL.parse(wanted, 'http://own.invalid') : null;
  const path = at?.host === 'own.invalid' ? at.pathname + at.search : '';
  return /^\/(?![/\\])[^\\\s]*$/.test(path) ? path : otherwise;
}
