import { html } from 'hono/html';
import { getUser } from '../../api/users/get.ts';
import { updateUser } from '../../api/users/update.ts';
import type { Form } from '../../http/form.ts';
import { editScreens, touched } from '../parts/edit.ts';
import { selectField, textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import type { Mistakes } from '../parts/mistakes.ts';
import type { Html, View } from '../screen.ts';
import { meantTenant } from '../tenants/choice.ts';
import { tenantNames } from '../tenants/names.ts';
import type { UserView } from './list.ts';
import { roleChoices } from './roles.ts';

interface Scopes {
  /** Null for people of the platform, who see all that somebody belongs to. */
  tenantId: string | null;
  /** Of the tenants that the person belongs to. */
  names: ReadonlyMap<string, string>;
}

/**
 * A person's fields: the name, the role in each scope they belong to (`role.<tenant>`, `role.platform`; empty where they
 * are to belong there no longer), and one tenant more.
 */
export const [userEdit, userChange] = editScreens({
  path: '/users/{id}',
  thing: 'person',
  resourceType: 'user',
  read: getUser,
  change: updateUser,
  context: scopesOf,
  nameOf: ({ name }) => name,
  typedFrom,
  typedIn,
  async toBody(typed, given, { tenantId }, view) {
    const all = roleFields({ ...given, ...typed });
    const isTouched = touched(typed, given, [...all, 'newTenant']);
    const memberships = roleFields(typed).flatMap((field) => {
      const scope = field.slice(5);
      return typed[field] ? [{ tenantId: scope === 'platform' ? null : scope, role: typed[field] }] : [];
    });
    const wanted = tenantId === null ? typed.newTenant : '';
    const added = wanted ? [{ tenantId: await meantTenant(view, wanted), role: typed.newRole }] : [];
    return {
      body: {
        ...(touched(typed, given, ['name']) ? { name: typed.name } : {}),
        ...(isTouched ? { memberships: [...memberships, ...added] } : {}),
      },
    };
  },
  // What is there already was accepted before: what is refused is what is new.
  fieldOf: () => (pointer) => (pointer.startsWith('/memberships') ? 'newTenant' : pointer.split('/')[1]),
  labelOf: (field) =>
    field.startsWith('role.') ? `Role, ${field.slice(5)}` : field === 'name' ? 'Name' : field,
  form: ({ action, carried, typed, context, mistakes, cancel }) =>
    html`${mistakes?.notice() ?? ''}<form method="post" action="${action}" class="form">${carried}${textField({ name: 'name', label: 'Name', value: typed.name ?? '', required: true, mistakes })}<fieldset><legend>Belongs to</legend><p class="hint">What is new is an invitation until they accept it.</p>${roleFields(
      typed,
    ).map((field) =>
      roleField(field, scopeName(field.slice(5), context), typed[field] ?? '', mistakes),
    )}${context.tenantId === null ? another(typed, mistakes) : ''}</fieldset><p class="actions"><button class="primary">Save</button> <a href="${cancel}">Cancel</a></p></form>`,
});

async function scopesOf(view: View): Promise<Scopes> {
  const { actor } = view.person;
  const user = await view.api.call(getUser, { params: view.params });
  const ids = user.outcome === 'done' ? user.body.memberships.flatMap(({ tenantId }) => tenantId ?? []) : [];
  return { tenantId: actor.tenantId, names: await tenantNames(view, ids) };
}

function scopeName(scope: string, { names }: Scopes): string {
  return scope === 'platform' ? 'on the platform' : `in ${names.get(scope) ?? scope}`;
}

function roleField(name: string, scope: string, value: string, mistakes: Mistakes | undefined): Html {
  const none = { value: '', name: 'does not belong there' };
  return selectField({ name, label: `Role ${scope}`, value, choices: [...roleChoices, none], mistakes });
}

function another(typed: Typed, mistakes: Mistakes | undefined): Html {
  return html`${textField({ name: 'newTenant', label: 'One tenant more', value: typed.newTenant ?? '', hint: 'Its name or id; empty for none.', mistakes })}${selectField({ name: 'newRole', label: 'Role there', value: typed.newRole ?? 'viewer', choices: roleChoices })}`;
}

function typedFrom({ name, memberships }: UserView, { tenantId }: Scopes): Typed {
  const all = memberships.map((one) => [`role.${one.tenantId ?? 'platform'}`, one.role]);
  const platform = tenantId === null ? { 'role.platform': '' } : {};
  return { name, ...platform, ...Object.fromEntries(all), newTenant: '', newRole: 'viewer' };
}

function typedIn(form: Form): Typed {
  const sent = form.entries().map(([name]) => name);
  const fields = ['name', ...sent.filter((name) => name.startsWith('role.')), 'newTenant', 'newRole'];
  return Object.fromEntries(fields.map((name) => [name, form.get(name).trim()]));
}

function roleFields(typed: Typed): string[] {
  return Object.keys(typed).filter((name) => name.startsWith('role.'));
}
