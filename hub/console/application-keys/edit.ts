import { html } from 'hono/html';
import { getApplicationKey } from '../../api/application-keys/get.ts';
import { updateApplicationKey } from '../../api/application-keys/update.ts';
import { editScreens, touched } from '../parts/edit.ts';
import { selectField, textField } from '../parts/fields.ts';
import { asTime, toField } from '../parts/times.ts';
import { roleChoices } from '../users/roles.ts';

const labels: Readonly<Record<string, string>> = { name: 'Name', role: 'Role', expiresAt: 'Expires, in UTC' };
const fields = Object.keys(labels);

export const [applicationKeyEdit, applicationKeyChange] = editScreens({
  path: '/application-keys/{id}',
  thing: 'application key',
  resourceType: 'application-key',
  read: getApplicationKey,
  change: updateApplicationKey,
  context: async () => undefined,
  nameOf: ({ name }) => name,
  typedFrom: ({ name, role, expiresAt }) => ({ name, role, expiresAt: toField(expiresAt) }),
  typedIn: (form) => Object.fromEntries(fields.map((name) => [name, form.get(name).trim()])),
  toBody: (typed, given) => ({
    body: {
      ...(touched(typed, given, ['name']) ? { name: typed.name } : {}),
      ...(touched(typed, given, ['role']) ? { role: typed.role } : {}),
      ...(touched(typed, given, ['expiresAt'])
        ? { expiresAt: typed.expiresAt ? asTime(typed.expiresAt) : null }
        : {}),
    },
  }),
  fieldOf: () => (pointer) => pointer.split('/')[1],
  labelOf: (field) => labels[field] ?? field,
  form({ action, carried, typed, mistakes, cancel }) {
    const at = (name: string) => ({ name, label: labels[name]!, value: typed[name] ?? '', mistakes });
    return html`${mistakes?.notice() ?? ''}<form method="post" action="${action}" class="form">${carried}${textField({ ...at('name'), required: true })}${selectField({ ...at('role'), choices: roleChoices })}${textField({ ...at('expiresAt'), type: 'datetime-local', hint: 'Empty for never.' })}<p class="actions"><button class="primary">Save</button> <a href="${cancel}">Cancel</a></p></form>`;
  },
});
