import { html } from 'hono/html';
import type { ProblemError } from '../http/problems.ts';
import { bare, brand } from './frame.ts';
import type { Content } from './screen.ts';

export type Html = ReturnType<typeof html>;

/**
 * Nothing but our own files runs or is shown, no page of ours is framed, and forms go to us alone. The referrer stays
 * at home: links carry tokens. (`no-referrer` would make browsers send `Origin: null` with our own forms.)
 */
export const pageHeaders = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

/** A page of who is not signed in, or about the person. `title` is its name in the browser and its first heading. */
export async function pageAnswer(
  title: string,
  content: Html,
  { status = 200, more = {} }: { status?: number; more?: Record<string, string> } = {},
): Promise<Response> {
  const page = bare(
    title,
    undefined,
    html`<header class="top">${brand()}</header><main class="alone" id="main"><h1>${title}</h1>
${content}</main>`,
  );
  return answerHtml(page, status, more);
}

/** HTML that is whole, or what htmx puts into a page. */
export async function answerHtml(
  content: Content,
  status: number,
  more: Record<string, string> = {},
): Promise<Response> {
  const text = Array.isArray(content) ? (await Promise.all(content)).join('') : await content;
  const headers = { ...pageHeaders, 'content-type': 'text/html; charset=utf-8', ...more };
  return new Response(String(text), { status, headers });
}

/** What went wrong, as a page for people. */
export async function problemPage({ document, headers: more }: ProblemError): Promise<Response> {
  const errors = document.errors ?? [];
  const onward =
    document.status === 404 ? html`<a href="/">To the overview</a>` : html`<a href="/login">Sign in</a>`;
  return pageAnswer(
    document.title,
    html`<p>${document.detail}</p>
${errors.length > 0 ? html`<ul>${errors.map(({ pointer, detail }) => html`<li>${pointer.replace(/^\//, '')} ${detail}</li>`)}</ul>` : ''}
<p>${onward}</p>`,
    { status: document.status, more },
  );
}
