import { html } from 'hono/html';
import { getCluster } from '../../api/clusters/get.ts';
import { updateCluster } from '../../api/clusters/update.ts';
import { lastChangeBy } from '../audit-log/last-change.ts';
import type { RegionView } from '../overview/overview.ts';
import { afterChange } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { merge, mergeNotice, readTyped, type Typed } from '../parts/merge.ts';
import { Mistakes, typedWrong } from '../parts/mistakes.ts';
import { type Html, needed, type Screen } from '../screen.ts';
import { clusterFormOf, regionsOf } from './form.ts';
import { type ClusterView, fieldOf, labelOf, toBody, typedFrom, typedIn } from './typed.ts';

export const clusterEdit: Screen = {
  method: 'GET',
  path: '/clusters/{id}/edit',
  async handle(view) {
    const { body, etag } = needed(await view.api.call(getCluster, { params: { id: view.params.id } }));
    const regions = await regionsOf(view);
    const typed = typedFrom(body, namesOf(regions));
    return shown({ cluster: body, regions, typed, given: typed, etag });
  },
};

/** With the state that the form was made of: whoever is second is told what the first has changed. */
export const clusterChange: Screen = {
  method: 'POST',
  path: '/clusters/{id}/edit',
  async handle(view) {
    const { api, form, params } = view;
    const _path = `/v1/clusters/${params.id}`;
    const regions = await regionsOf(view);
    const typed = typedIn(form, namesOf(regions));
    const given = readTyped(form.get('given'));
    const etag = form.given('ifMatch');
    const { body, errors } = toBody(typed, namesOf(regions));
    const again = async (more: {
      mistakes?: Mistakes;
      notice?: Html;
      typed: Typed;
      given: Typed;
      etag?: string;
    }) =>
      shown({
        cluster: needed(await api.call(getCluster, { params: { id: params.id } })).body,
        regions,
        etag,
        ...more,
      });
    if (errors.length > 0) return again({ typed, given, mistakes: new Mistakes(typedWrong(errors)) });

    const changed = await api.call(updateCluster, { params: { id: params.id }, body, ifMatch: etag });
    if (changed.outcome === 'done') return afterChange(`/clusters/${params.id}`, 'changed', changed.fence);
    if (changed.problem.code !== 'PRECONDITION_FAILED')
      return again({ typed, given, mistakes: new Mistakes(changed.problem, fieldOf(body)) });

    const now = needed(await api.call(getCluster, { params: { id: params.id } }));
    const theirs = typedFrom(now.body, namesOf(regions));
    const merged = merge(given, theirs, { ...typed, tenantId: theirs.tenantId ?? '' });
    const who = await lastChangeBy(view, 'cluster', now.body.id);
    const notice = mergeNotice('cluster', who, merged.changes, labelOf);
    return again({ typed: merged.typed, given: theirs, notice, ...(now.etag ? { etag: now.etag } : {}) });
  },
};

function shown(page: {
  cluster: ClusterView;
  regions: readonly RegionView[];
  typed: Typed;
  given: Typed;
  etag: string | undefined;
  mistakes?: Mistakes;
  notice?: Html;
}) {
  const { cluster, regions, typed, given, etag, mistakes, notice } = page;
  const held = new Set(cluster.placements.map(({ region }) => region));
  const form = clusterFormOf({
    ...{ typed, mistakes },
    action: `/clusters/${cluster.id}/edit`,
    regions: regions.filter(({ id, status }) => held.has(id) || status === 'active' || status === 'seeding'),
    submit: 'Save',
    carried: html`${hidden('ifMatch', etag)}${hidden('given', JSON.stringify(given))}`,
    cancel: `/clusters/${cluster.id}`,
  });
  const status = notice ? 412 : (mistakes?.problem.status ?? 200);
  return { title: `Change ${cluster.name}`, content: html`${notice ?? ''}${form}`, status };
}

function namesOf(regions: readonly RegionView[]): string[] {
  return regions.map(({ id }) => id);
}
