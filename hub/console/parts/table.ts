import { html } from 'hono/html';
import type { Content, Html } from '../screen.ts';

export interface Table {
  /** For who cannot see what the table is about. */
  caption: string;
  head: readonly string[];
  rows: readonly (readonly Content[])[];
  /** Instead of a table without rows: what would be here, and how to get it. */
  empty: Content;
  id?: string;
}

/** On a narrow screen each row becomes a card whose lines carry the names of their columns. */
export function table({ caption, head, rows, empty, id }: Table): Html {
  if (rows.length === 0) return html`<div class="empty"${id ? html` id="${id}"` : ''}>${empty}</div>`;
  return html`<table${id ? html` id="${id}"` : ''}><caption class="unseen">${caption}</caption><thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, index) => html`<td data-label="${head[index] ?? ''}">${cell}</td>`)}</tr>`,
  )}</tbody></table>`;
}

/** Names and what they are, one under the other. */
export function facts(pairs: readonly (readonly [string, Content] | undefined)[]): Html {
  return html`<dl class="facts">${pairs.flatMap((pair) => (pair ? [html`<div><dt>${pair[0]}</dt><dd>${pair[1]}</dd></div>`] : []))}</dl>`;
}

/** The way to the first and to the next page of a list. */
export function pager(url: URL, nextCursor: string | null): Html | string {
  const isFirst = !url.searchParams.has('cursor');
  if (isFirst && nextCursor === null) return '';
  const withCursor = (cursor: string | undefined) => {
    const query = new URLSearchParams(url.searchParams);
    for (const name of ['cursor', 'part', 'done', 'fence']) query.delete(name);
    if (cursor !== undefined) query.set('cursor', cursor);
    return `${url.pathname}?${query}`;
  };
  return html`<nav class="pager" aria-label="Pages">${isFirst ? '' : html`<a href="${withCursor(undefined)}">First page</a>`}${nextCursor === null ? '' : html`<a href="${withCursor(nextCursor)}" rel="next">Next page</a>`}</nav>`;
}
