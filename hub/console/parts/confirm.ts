import { html } from 'hono/html';
import type { Content, Html, View } from '../screen.ts';
import { hidden, textField } from './fields.ts';
import { Mistakes, typedWrong } from './mistakes.ts';

/** Asks for the name of what is to go, so that it is not another thing that goes. */
export interface Confirmation {
  action: string;
  /** What has to be typed. */
  name: string;
  consequences: Content;
  submit: string;
  cancel: string;
  etag: string | undefined;
  /** More to choose. */
  more?: Content;
  mistakes?: Mistakes | undefined;
}

export function confirmation(parts: Confirmation): Html {
  const { action, name, consequences, submit, cancel, etag, more, mistakes } = parts;
  return html`${mistakes?.notice() ?? ''}<div class="notice warn">${consequences}</div><form method="post" action="${action}" class="form">${hidden('ifMatch', etag)}${more ?? ''}${textField({ name: 'typed', label: html`Type <code>${name}</code> to confirm`, value: '', required: true, mistakes })}<p class="actions"><button class="danger">${submit}</button> <a href="${cancel}">Cancel</a></p></form>`;
}

/** What was typed is not the name; undefined where it is. */
export function notConfirmed({ form }: View, name: string): Mistakes | undefined {
  if (form.get('typed').trim().normalize('NFC') === name) return undefined;
  return new Mistakes(typedWrong([{ pointer: '/typed', detail: 'is not the name; nothing was deleted' }]));
}
