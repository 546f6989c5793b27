import { html } from 'hono/html';
import { createCluster } from '../../api/clusters/create.ts';
import { afterChange } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import { Mistakes, typedWrong } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';
import { meantTenant, tenantField } from '../tenants/choice.ts';
import { clusterFormOf, regionsOf } from './form.ts';
import { fieldOf, toBody, typedIn } from './typed.ts';

export const clusterForm: Screen = {
  method: 'GET',
  path: '/clusters/new',
  async handle(view) {
    return shown(
      view,
      { tenantId: view.url.searchParams.get('tenantId') ?? '' },
      undefined,
      view.newIdempotencyKey(),
    );
  },
};

export const clusterCreation: Screen = {
  method: 'POST',
  path: '/clusters/new',
  async handle(view) {
    const { api, form } = view;
    const regions = (await regionsOf(view)).map(({ id }) => id);
    const typed = typedIn(form, regions);
    const { body, errors } = toBody(typed, regions);
    const again = (mistakes: Mistakes) => shown(view, typed, mistakes, view.newIdempotencyKey());
    if (errors.length > 0) return again(new Mistakes(typedWrong(errors)));
    const tenantId = await meantTenant(view, typed.tenantId ?? '');
    const made = await api.call(createCluster, {
      body: { ...body, tenantId },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return again(new Mistakes(made.problem, fieldOf(body)));
    return afterChange(`/clusters/${made.body.id}`, 'created', made.fence);
  },
};

async function shown(view: View, typed: Typed, mistakes: Mistakes | undefined, key: string) {
  const content = clusterFormOf({
    ...{ typed, mistakes },
    action: '/clusters/new',
    regions: (await regionsOf(view)).filter(({ status }) => status === 'active' || status === 'seeding'),
    submit: 'Create cluster',
    carried: html`${hidden('idempotencyKey', key)}`,
    tenant: await tenantField(view, typed.tenantId ?? '', mistakes),
    cancel: '/clusters',
  });
  return { title: 'New cluster', content, status: mistakes?.problem.status ?? 200 };
}
