import { html } from 'hono/html';
import { textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import type { Mistakes } from '../parts/mistakes.ts';
import type { Html } from '../screen.ts';

/** What people call the fields. */
export const labels: Readonly<Record<string, string>> = {
  name: 'Name',
  expiresAt: 'Expires, in UTC',
  permissions: 'Permissions',
  networks: 'Allowed networks',
  limit: 'Requests granted in a window',
  windowSeconds: 'Seconds of the window',
};

export function nameField(typed: Typed, mistakes: Mistakes | undefined): Html {
  const hint = 'For people: which agent has it.';
  return textField({
    name: 'name',
    label: labels.name!,
    value: typed.name ?? '',
    required: true,
    mistakes,
    hint,
  });
}

/** What a key may do, from where, how often, and until when. */
export function boundFields(typed: Typed, mistakes: Mistakes | undefined): Html {
  const at = (name: string) => ({ name, label: labels[name]!, value: typed[name] ?? '', mistakes });
  return html`${textField({ ...at('expiresAt'), type: 'datetime-local', hint: 'Empty for never.' })}${textField({ ...at('permissions'), hint: 'In the words of the metadata store, with spaces between them.' })}${textField({ ...at('networks'), rows: 3, code: true, hint: 'One a line, such as 10.0.0.0/8; empty for anywhere.' })}${textField({ ...at('limit'), type: 'number', hint: 'By each gateway; empty for any number.' })}${textField({ ...at('windowSeconds'), type: 'number' })}`;
}
