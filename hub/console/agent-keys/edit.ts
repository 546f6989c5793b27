import { html } from 'hono/html';
import { getAgentKey } from '../../api/agent-keys/get.ts';
import { updateAgentKey } from '../../api/agent-keys/update.ts';
import { editScreens } from '../parts/edit.ts';
import { boundFields, labels, nameField } from './fields.ts';
import { fieldOf, toBody, typedFrom, typedIn } from './typed.ts';

export const [keyEdit, keyChange] = editScreens({
  path: '/agent-keys/{id}',
  thing: 'agent key',
  resourceType: 'agent-key',
  read: getAgentKey,
  change: updateAgentKey,
  context: async () => undefined,
  nameOf: ({ name }) => name,
  typedFrom,
  typedIn,
  toBody: (typed, given) => ({ body: toBody(typed, given) }),
  fieldOf: () => fieldOf,
  labelOf: (field) => labels[field] ?? field,
  form: ({ action, carried, typed, mistakes, cancel }) =>
    html`${mistakes?.notice() ?? ''}<form method="post" action="${action}" class="form">${carried}${nameField(typed, mistakes)}${boundFields(typed, mistakes)}<p class="actions"><button class="primary">Save</button> <a href="${cancel}">Cancel</a></p></form>`,
});
