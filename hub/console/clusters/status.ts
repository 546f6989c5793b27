import { updateCluster } from '../../api/clusters/update.ts';
import { afterChange } from '../parts/done.ts';
import { needed, type Screen } from '../screen.ts';

export const clusterStatus: Screen = {
  method: 'POST',
  path: '/clusters/{id}/status',
  async handle({ api, form, params }) {
    const changed = await api.call(updateCluster, {
      params: { id: params.id },
      body: { status: form.get('status') },
      ifMatch: form.given('ifMatch'),
    });
    return afterChange(`/clusters/${params.id}`, 'changed', needed(changed).fence);
  },
};
