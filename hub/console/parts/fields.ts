import { html } from 'hono/html';
import type { Content, Html } from '../screen.ts';
import type { Mistakes } from './mistakes.ts';

interface Field {
  name: string;
  label: Content;
  /** What to know before typing. */
  hint?: Content;
  mistakes?: Mistakes | undefined;
}

export interface TextField extends Field {
  value: string;
  type?: 'text' | 'url' | 'search' | 'number' | 'datetime-local' | 'email';
  required?: boolean;
  placeholder?: string;
  /** The id of a datalist. */
  list?: string;
  /** In code letters: ids, URLs, JSON. */
  code?: boolean;
  rows?: number;
}

/** One line, or several where `rows` is given. */
export function textField(field: TextField): Html {
  const { name, value, type = 'text', required, placeholder, list, code, rows } = field;
  const common = html`id="${name}" name="${name}"${described(field)}${required ? html` required` : ''}${placeholder ? html` placeholder="${placeholder}"` : ''}${code ? html` class="code" spellcheck="false" autocapitalize="off"` : ''} autocomplete="off"`;
  return around(
    field,
    rows
      ? html`<textarea ${common} rows="${rows}">
${value}</textarea>`
      : html`<input ${common} type="${type}" value="${value}"${list ? html` list="${list}"` : ''}>`,
  );
}

export interface Choice {
  value: string;
  name: string;
}

export function selectField(field: Field & { value: string; choices: readonly Choice[] }): Html {
  const { name, value, choices } = field;
  return around(
    field,
    html`<select id="${name}" name="${name}"${described(field)}>${choices.map(
      (choice) =>
        html`<option value="${choice.value}"${choice.value === value ? html` selected` : ''}>${choice.name}</option>`,
    )}</select>`,
  );
}

export function hidden(name: string, value: string | undefined): Html | string {
  return value === undefined ? '' : html`<input type="hidden" name="${name}" value="${value}">`;
}

function around(field: Field, control: Html): Html {
  const { name, label, hint } = field;
  const mistake = field.mistakes?.of(name);
  return html`<div class="field${mistake ? ' wrong' : ''}"><label for="${name}">${label}</label>${hint ? html`<p class="hint" id="${name}-hint">${hint}</p>` : ''}${control}${mistake ? html`<p class="mistake" id="${name}-mistake">${mistake}</p>` : ''}</div>`;
}

function described({ name, hint, mistakes }: Field): Html | string {
  const mistake = mistakes?.of(name);
  const ids = [hint ? `${name}-hint` : '', mistake ? `${name}-mistake` : ''].filter(Boolean).join(' ');
  return html`${ids ? html` aria-describedby="${ids}"` : ''}${mistake ? html` aria-invalid="true"` : ''}`;
}
