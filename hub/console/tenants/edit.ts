import { html } from 'hono/html';
import { getTenant } from '../../api/tenants/get.ts';
import { updateTenant } from '../../api/tenants/update.ts';
import type { Form } from '../../http/form.ts';
import { regionsOf } from '../clusters/form.ts';
import { editScreens, touched } from '../parts/edit.ts';
import { textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import type { Mistakes } from '../parts/mistakes.ts';
import type { Html } from '../screen.ts';
import type { TenantView } from './names.ts';

const quotas = { clusters: 'Most clusters', agentKeys: 'Most agent keys', regions: 'Most regions' } as const;
const quotaNames = Object.keys(quotas) as (keyof typeof quotas)[];

/** A tenant's fields: its name, a field a quota, and of each region whether the tenant may be there (`region.r`). */
export const [tenantEdit, tenantChange] = editScreens({
  path: '/tenants/{id}',
  thing: 'tenant',
  resourceType: 'tenant',
  read: getTenant,
  change: updateTenant,
  // Also those that are gone since: what a tenant is confined to is shown as it is.
  context: async (view) => (await regionsOf(view)).map(({ id }) => id),
  nameOf: ({ name }) => name,
  typedFrom,
  typedIn,
  toBody(typed, given) {
    const confined = regionFields(typed).filter((field) => typed[field] !== '');
    const changed = quotaNames.filter((name) => touched(typed, given, [name]));
    const body = {
      ...(touched(typed, given, ['name']) ? { name: typed.name } : {}),
      ...(changed.length > 0
        ? { quotas: Object.fromEntries(changed.map((name) => [name, quotaOf(typed[name] ?? '')])) }
        : {}),
      ...(touched(typed, given, regionFields({ ...given, ...typed }))
        ? { allowedRegions: confined.length === 0 ? null : confined.map((field) => field.slice(7)) }
        : {}),
    };
    return { body };
  },
  fieldOf: () => (pointer) => {
    const [, first, second] = pointer.split('/');
    return first === 'quotas' ? second : first;
  },
  labelOf(field) {
    if (field.startsWith('region.')) return `Allowed in ${field.slice(7)}`;
    return field === 'name' ? 'Name' : (quotas[field as keyof typeof quotas] ?? field);
  },
  form: ({ action, carried, typed, mistakes, cancel }) =>
    html`${mistakes?.notice() ?? ''}<form method="post" action="${action}" class="form">${carried}${textField({ name: 'name', label: 'Name', value: typed.name ?? '', required: true, mistakes })}
<fieldset><legend>Quotas</legend><p class="hint">The most it may have of each; empty for any number. What is there already stays.</p>${quotaNames.map((name) => textField({ name, label: quotas[name], value: typed[name] ?? '', type: 'number', mistakes }))}</fieldset>
${residencyFields(typed, mistakes)}<p class="actions"><button class="primary">Save</button> <a href="${cancel}">Cancel</a></p></form>`,
});

function residencyFields(typed: Typed, mistakes: Mistakes | undefined): Html {
  const mistake = mistakes?.of('allowedRegions');
  const ticks = regionFields(typed).map(
    (field) =>
      html`<li><label class="tick"><input type="checkbox" id="${field}" name="${field}" value="on"${typed[field] === '' ? '' : html` checked`}> <strong>${field.slice(7)}</strong></label></li>`,
  );
  return html`<fieldset id="allowedRegions"${mistake ? html` class="wrong" aria-describedby="allowedRegions-mistake"` : ''}><legend>Residency</legend>${mistake ? html`<p class="mistake" id="allowedRegions-mistake">${mistake}</p>` : ''}<p class="hint">The only regions that its clusters may be placed in, and its data published to. Tick none for anywhere.</p>${ticks.length === 0 ? html`<p class="hint">There is no region yet.</p>` : html`<ul class="placements">${ticks}</ul>`}</fieldset>`;
}

function typedFrom({ name, quotas, allowedRegions }: TenantView, regions: readonly string[]): Typed {
  const all = new Set([...regions, ...(allowedRegions ?? [])]);
  return {
    name,
    ...Object.fromEntries(quotaNames.map((quota) => [quota, String(quotas[quota] ?? '')])),
    ...Object.fromEntries([...all].map((id) => [`region.${id}`, allowedRegions?.includes(id) ? 'on' : ''])),
  };
}

function typedIn(form: Form, regions: readonly string[]): Typed {
  const sent = form.entries().map(([name]) => name);
  const fields = new Set([...regions.map((id) => `region.${id}`), ...regionFieldsOf(sent)]);
  return Object.fromEntries(
    ['name', ...quotaNames, ...fields].map((field) => [field, form.get(field).trim()]),
  );
}

function regionFields(typed: Typed): string[] {
  return regionFieldsOf(Object.keys(typed));
}

function regionFieldsOf(names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith('region.'));
}

/** What is no number is sent as it is, for the API to say so. */
function quotaOf(text: string): number | string | null {
  if (text === '') return null;
  return /^-?\d+$/.test(text) ? Number(text) : text;
}
