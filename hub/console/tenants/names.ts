import { html } from 'hono/html';
import type { z } from 'zod';
import { getTenant } from '../../api/tenants/get.ts';
import type { Tenant } from '../../api/tenants/tenant.ts';
import type { Html, View } from '../screen.ts';

export type TenantView = z.infer<typeof Tenant>;

/** The names of these tenants, as far as there are any. */
export async function tenantNames({ api }: View, ids: readonly string[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const id of new Set(ids)) {
    const tenant = await api.call(getTenant, { params: { id } });
    if (tenant.outcome === 'done') names.set(id, tenant.body.name);
  }
  return names;
}

/** Above a list that shows one tenant's alone: whose, and the way to all. */
export async function narrowedTo(view: View, tenantId: string | undefined): Promise<Html | string> {
  if (tenantId === undefined) return '';
  const name = (await tenantNames(view, [tenantId])).get(tenantId);
  return html`<p>Of ${name === undefined ? tenantId : html`<a href="/tenants/${tenantId}">${name}</a>`} alone. <a href="${view.url.pathname}">Show all</a></p>`;
}
