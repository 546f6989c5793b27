import { afterChange } from '../parts/done.ts';
import { needed, type Screen } from '../screen.ts';
import type { ClusterView } from './typed.ts';

export const clusterStatus: Screen = {
  method: 'POST',
  path: '/clusters/{id}/status',
  async handle({ api, form, params }) {
    const changed = await api.send<ClusterView>('PATCH', `/v1/clusters/${params.id}`, {
      body: { status: form.get('status') },
      ifMatch: form.given('ifMatch'),
    });
    return afterChange(`/clusters/${params.id}`, 'changed', needed(changed).fence);
  },
};
