import { html } from 'hono/html';
import type { ProblemError } from '../http/problems.ts';

export type Html = ReturnType<typeof html>;

/**
 * Nothing but our own files runs or is shown, no page of ours is framed, and forms go to us alone. The referrer stays
 * at home: links carry tokens. (`no-referrer` would make browsers send `Origin: null` with our own forms.)
 */
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

/** A whole page. `title` is its name in the browser and its first heading. */
export async function pageAnswer(
  title: string,
  content: Html,
  { status = 200, more = {} }: { status?: number; more?: Record<string, string> } = {},
): Promise<Response> {
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Spokecast</title>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
  return new Response(String(page), { status, headers: { ...headers, ...more } });
}

/** What went wrong, as a page for people. */
export async function problemPage({ document, headers: more }: ProblemError): Promise<Response> {
  const errors = document.errors ?? [];
  return pageAnswer(
    document.title,
    html`<p>${document.detail}</p>
${errors.length > 0 ? html`<ul>${errors.map(({ pointer, detail }) => html`<li>${pointer.replace(/^\//, '')} ${detail}</li>`)}</ul>` : ''}
<p><a href="/login">Sign in</a></p>`,
    { status: document.status, more },
  );
}
