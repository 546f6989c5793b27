import { html } from 'hono/html';
import type { Html } from '../screen.ts';

/** A form's fields as text, by their names. */
export type Typed = Readonly<Record<string, string>>;

export interface Merged {
  /** What to show in the form: what was typed, and where nothing was typed, what is there now. */
  typed: Typed;
  /** What somebody else has changed meanwhile. */
  changes: readonly { field: string; was: string; now: string; yours: string | undefined }[];
}

/** Three states of a form: as it was given out, as the thing is now, and as it came back. */
export function merge(given: Typed, now: Typed, mine: Typed): Merged {
  const fields = [...new Set([...Object.keys(given), ...Object.keys(now), ...Object.keys(mine)])];
  const typed: Record<string, string> = {};
  const changes: Merged['changes'][number][] = [];
  for (const field of fields) {
    const [was = '', is = '', wanted = ''] = [given[field], now[field], mine[field]];
    const isMine = wanted !== was;
    typed[field] = isMine ? wanted : is;
    if (is !== was) changes.push({ field, was, now: is, yours: isMine ? wanted : undefined });
  }
  return { typed, changes };
}

/** What the second of two people is told: what the first has changed, and what becomes of their own. */
export function mergeNotice(
  thing: string,
  who: string | undefined,
  changes: Merged['changes'],
  labelOf: (field: string) => string,
): Html {
  const shown = (text: string) => (text === '' ? html`<em>empty</em>` : html`<code>${text}</code>`);
  return html`<div class="notice warn" role="alert" id="changed-meanwhile"><p><strong>${who ?? 'Somebody'} changed this ${thing} while you had it open.</strong> Nothing of yours was saved yet, and nothing is lost: your changes are in the form below, beside theirs. Look at them, then save again.</p>${
    changes.length === 0
      ? ''
      : html`<ul>${changes.map(
          ({ field, was, now, yours }) =>
            html`<li><a href="#${field}">${labelOf(field)}</a>: was ${shown(was)}, is now ${shown(now)}${yours === undefined ? '' : html`; <strong>yours</strong>, which stays in the form: ${shown(yours)}`}</li>`,
        )}</ul>`
  }</div>`;
}

/** What {@link merge} needs of the form as it was given out; text that is not that is an empty form. */
export function readTyped(text: string): Typed {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, each]) => typeof each === 'string'));
  } catch {
    return {};
  }
}
