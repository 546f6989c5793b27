import { html } from 'hono/html';
import { isId } from '../../../contexts/ids.ts';
import { listTenants } from '../../api/tenants/list.ts';
import { hidden, textField } from '../parts/fields.ts';
import type { Mistakes } from '../parts/mistakes.ts';
import { type Html, needed, type View } from '../screen.ts';

/** Which tenant something new is for: whoever acts in one has no choice. */
export async function tenantField(
  { api, person }: View,
  value: string,
  mistakes: Mistakes | undefined,
): Promise<Html | string> {
  if (person.actor.tenantId !== null) return hidden('tenantId', person.actor.tenantId);
  const { items } = needed(await api.call(listTenants, { query: { limit: '200' } })).body;
  const options = html`<datalist id="tenants">${items.map(({ id, name }) => html`<option value="${name}">${id}</option>`)}</datalist>`;
  const hint = html`Its name or its id. <a href="/tenants">Tenants</a>`;
  return html`${textField({ name: 'tenantId', label: 'Tenant', value, required: true, list: 'tenants', mistakes, hint })}${options}`;
}

/** The id of the tenant that was meant; what was typed where there is none of that name, for the API to refuse. */
export async function meantTenant({ api }: View, typed: string): Promise<string> {
  const text = typed.trim();
  if (text === '' || isId('tenant', text)) return text;
  const found = await api.call(listTenants, { query: { name: text } });
  return (found.outcome === 'done' && found.body.items[0]?.id) || text;
}
