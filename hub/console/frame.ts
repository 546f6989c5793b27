import { html } from 'hono/html';
import type { Operation } from '../access.ts';
import { files } from './files.ts';
import { type Content, type Html, may, type Theme, type View } from './screen.ts';

const sections: readonly { path: string; name: string; operation: Operation }[] = [
  { path: '/', name: 'Overview', operation: 'regions.read' },
  { path: '/clusters', name: 'Clusters', operation: 'clusters.read' },
  { path: '/agent-keys', name: 'Agent keys', operation: 'agent-keys.read' },
  { path: '/tenants', name: 'Tenants', operation: 'tenants.read' },
  { path: '/regions', name: 'Regions', operation: 'sweeps.read' },
  { path: '/quarantine', name: 'Held contexts', operation: 'holds.read' },
  { path: '/activity', name: 'Activity', operation: 'fences.read' },
  { path: '/audit-log', name: 'Audit log', operation: 'audit-log.read' },
  { path: '/users', name: 'People', operation: 'users.read' },
  { path: '/application-keys', name: 'Application keys', operation: 'application-keys.read' },
  { path: '/deletions', name: 'Deleted', operation: 'deletions.read' },
];

/** htmx without what a strict policy forbids: no style element of its own, no expressions, no history of its own. */
const htmxConfig = JSON.stringify({ includeIndicatorCSS: false, history: false, defaultTimeout: 20_000 });

/** A whole page: what every page has around its content. */
export function frame(view: View, title: string, content: Content): Html {
  const { person, url, theme, environment } = view;
  const here = `${url.pathname}${url.search}`;
  return bare(
    title,
    theme,
    html`<a class="skip" href="#main">Skip to the content</a>
<header class="top">
${brand()}<span class="env" title="Environment">${environment}</span>
<details class="menu"><summary>Menu</summary>${navigation(view)}</details>
<div class="who">${scopeSwitch(view)}${themeSwitch(theme, here)}<a href="/account">${person.name}</a><form method="post" action="/logout"><button class="quiet">Sign out</button></form></div>
</header>
<div class="body">
<div class="side">${navigation(view)}</div>
<main id="main" tabindex="-1"><h1>${title}</h1>
${content}</main>
</div>`,
  );
}

/** A page without navigation. Where the theme is not known here, the script finds it. */
export function bare(title: string, theme: Theme | undefined, body: Content): Html {
  return html`<!doctype html>
<html lang="en"${theme ? html` data-theme="${theme}"` : ''}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="htmx-config" content="${htmxConfig}">
<title>${title} · Spokecast</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${files.plotStyle.path}">
<link rel="stylesheet" href="${files.style.path}">
<script src="${files.htmx.path}" defer></script>
<script src="${files.plot.path}" defer></script>
<script src="${files.script.path}" defer></script>
</head>
<body>
${body}
</body>
</html>
`;
}

function navigation(view: View): Html {
  const { pathname } = view.url;
  const isHere = (path: string) =>
    path === '/' ? pathname === '/' : pathname === path || pathname.startsWith(`${path}/`);
  return html`<nav aria-label="Sections"><ul>${sections
    .filter(({ operation }) => may(view, operation))
    .map(
      ({ path, name }) =>
        html`<li><a href="${path}"${isHere(path) ? html` aria-current="page"` : ''}>${name}</a></li>`,
    )}</ul></nav>`;
}

/** Whoever belongs to more than one thing acts in one at a time; another is chosen here, on any page. */
function scopeSwitch({ person, url }: View): Html {
  if (person.scopes.length < 2) return html`<span class="scope">${person.scope}</span>`;
  const section = `/${url.pathname.split('/')[1]}`; // what is on this page may not be there for the other
  return html`<form class="scope" method="post" action="/account/scope"><input type="hidden" name="next" value="${section}"><label for="act-in" class="unseen">You act in</label><select id="act-in" name="scope" class="narrow">${person.scopes.map(
    ({ value, name, chosen }) =>
      html`<option value="${value}"${chosen ? html` selected` : ''}>${name}</option>`,
  )}</select><button class="quiet">Switch</button></form>`;
}

function themeSwitch(theme: Theme, back: string): Html {
  const choice = (value: Theme, name: string) =>
    html`<button name="theme" value="${value}" aria-pressed="${theme === value ? 'true' : 'false'}">${name}</button>`;
  return html`<form class="theme" method="post" action="/theme" aria-label="Colours"><input type="hidden" name="back" value="${back}">${choice('light', 'Light')}${choice('dark', 'Dark')}${choice('auto', 'Auto')}</form>`;
}

export function brand(): Html {
  return html`<a class="brand" href="/">${mark()}<span>Spokecast</span></a>`;
}

/** A hub with its spokes. */
function mark(): Html {
  return html`<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="2"><circle cx="12" cy="12" r="3"/><path d="M12 9V3M14.6 13.5l5.2 3M9.4 13.5l-5.2 3"/></g><g fill="currentColor"><circle cx="12" cy="3" r="2"/><circle cx="20" cy="16.6" r="2"/><circle cx="4" cy="16.6" r="2"/></g></svg>`;
}
