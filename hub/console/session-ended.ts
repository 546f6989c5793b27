import { html } from 'hono/html';
import type { Form } from '../http/form.ts';
import { bare } from './frame.ts';
import { hidden } from './parts/fields.ts';
import type { Html, Theme } from './screen.ts';

/**
 * A form was sent after the session had ended. Nothing was done, and nothing that was typed is lost: it is in this
 * page, to be sent again after signing in beside it; the script also puts it back into the form it came from.
 */
export function sessionEnded(url: URL, form: Form, request: Request, theme: Theme): Html {
  const from = pageOf(request.headers.get('referer')) ?? url.pathname;
  const fields = form.entries();
  return bare(
    'Your session has ended',
    theme,
    html`<main class="alone" id="main"><h1>Your session has ended</h1>
<div class="notice warn" role="alert"><p>Nothing was changed, and what you typed is kept.</p></div>
<p><a class="button" href="/login?next=${encodeURIComponent(from)}">Sign in and go back</a></p>
<form method="post" action="${url.pathname}${url.search}" data-draft="${from}">${fields.map(([name, value]) => hidden(name, value))}
<p>Or <a href="/login" target="_blank" rel="noopener">sign in in another tab</a>, then <button>Send it again</button></p></form></main>`,
  );
}

/** A form was sent after its person's membership had ended where they acted. As above, nothing is done or lost. */
export function scopeEnded(url: URL, form: Form, theme: Theme): Html {
  return bare(
    'Choose where you act',
    theme,
    html`<main class="alone" id="main"><h1>Choose where you act</h1>
<div class="notice warn" role="alert"><p>You belong no more to where you acted. Nothing was changed, and what you typed is kept.</p></div>
<p><a class="button" href="/account">Choose where you act</a></p>
<form method="post" action="${url.pathname}${url.search}">${form.entries().map(([name, value]) => hidden(name, value))}
<p>Or <a href="/account" target="_blank" rel="noopener">choose in another tab</a>, then <button>Send it again</button></p></form></main>`,
  );
}

export function scopeEndedPart(): Html {
  return html`<div class="notice warn" role="alert"><p>You belong no more to where you acted, so nothing is brought up to date here. <a href="/account">Choose where you act</a></p></div>`;
}

/** Where a part of a page was asked for. */
export function sessionEndedPart(request: Request): Html {
  const from = pageOf(request.headers.get('hx-current-url')) ?? '/';
  return html`<div class="notice warn" role="alert"><p>Your session has ended, so nothing is brought up to date here. <a href="/login?next=${encodeURIComponent(from)}">Sign in and go back</a></p></div>`;
}

/** The path of a page of ours. */
function pageOf(address: string | null): string | undefined {
  const url = URL.parse(address ?? '');
  return url ? `${url.pathname}${url.search}` : undefined;
}
