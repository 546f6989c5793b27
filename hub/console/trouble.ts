import { html } from 'hono/html';
import type { Problem } from '../../contexts/base/problem.ts';
import type { Html } from './screen.ts';

/** What a page says that cannot be shown. */
export function problemContent({ detail, code, status }: Problem): Html {
  return html`<div class="notice bad" role="alert"><p>${detail ?? ''}</p><p class="hint">${status} <code>${code}</code></p></div><p><a href="/">To the overview</a></p>`;
}

/** In place of a part that cannot be looked at now: it is asked for again, so that it comes back by itself. */
export function problemPart(problem: Problem, url: URL): Html {
  return html`<div class="notice bad" role="alert" hx-get="${url.pathname}${url.search}" hx-trigger="load delay:3s" hx-swap="outerHTML"><p><strong>${problem.title}.</strong> ${problem.detail ?? ''} It is asked again in 3 s.</p></div>`;
}
