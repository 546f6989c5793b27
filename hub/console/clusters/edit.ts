import { getCluster } from '../../api/clusters/get.ts';
import { updateCluster } from '../../api/clusters/update.ts';
import { editScreens } from '../parts/edit.ts';
import type { Typed } from '../parts/merge.ts';
import { clusterFormOf, regionsOf } from './form.ts';
import { type ClusterBody, fieldOf, labelOf, toBody, typedFrom, typedIn } from './typed.ts';

export const [clusterEdit, clusterChange] = editScreens({
  path: '/clusters/{id}',
  thing: 'cluster',
  resourceType: 'cluster',
  read: getCluster,
  change: updateCluster,
  context: regionsOf,
  nameOf: ({ name }) => name,
  typedFrom: (cluster, regions) => withoutTenant(typedFrom(cluster, namesOf(regions))),
  typedIn: (form, regions) => withoutTenant(typedIn(form, namesOf(regions))),
  toBody: (typed, _given, regions) => toBody(typed, namesOf(regions)),
  fieldOf: (body) => fieldOf(body as ClusterBody),
  labelOf,
  form({ thing, context, ...parts }) {
    const held = new Set(thing.placements.map(({ region }) => region));
    const regions = context.filter(
      ({ id, status }) => held.has(id) || status === 'active' || status === 'seeding',
    );
    return clusterFormOf({ ...parts, regions, submit: 'Save' });
  },
});

function namesOf(regions: readonly { id: string }[]): string[] {
  return regions.map(({ id }) => id);
}

/** A cluster stays with its tenant. */
function withoutTenant({ tenantId: _, ...typed }: Typed): Typed {
  return typed;
}
