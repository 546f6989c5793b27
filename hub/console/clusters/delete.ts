import { html } from 'hono/html';
import { deleteCluster } from '../../api/clusters/delete.ts';
import { getCluster } from '../../api/clusters/get.ts';
import { confirmation, notConfirmed } from '../parts/confirm.ts';
import { afterChange } from '../parts/done.ts';
import { Mistakes } from '../parts/mistakes.ts';
import { needed, type Screen, type View } from '../screen.ts';

export const clusterDeletionForm: Screen = {
  method: 'GET',
  path: '/clusters/{id}/delete',
  handle: (view) => shown(view, undefined),
};

export const clusterDeletion: Screen = {
  method: 'POST',
  path: '/clusters/{id}/delete',
  async handle(view) {
    const { api, form, params } = view;
    const mistakes = notConfirmed(
      view,
      needed(await api.call(getCluster, { params: { id: params.id } })).body.name,
    );
    if (mistakes) return shown(view, mistakes);
    const gone = await api.call(deleteCluster, { params: { id: params.id }, ifMatch: form.given('ifMatch') });
    if (gone.outcome === 'refused') return shown(view, new Mistakes(gone.problem));
    return afterChange('/clusters', 'deleted', gone.fence);
  },
};

async function shown({ api, params }: View, mistakes: Mistakes | undefined) {
  const { body, etag } = needed(await api.call(getCluster, { params: { id: params.id } }));
  const regions = body.placements.map(({ region }) => region).join(', ');
  return {
    title: `Delete ${body.name}`,
    status: mistakes?.problem.status ?? 200,
    content: confirmation({
      ...{ etag, mistakes },
      name: body.name,
      action: `/clusters/${body.id}/delete`,
      consequences: html`<p><strong>The cluster and all its agent keys go</strong>, and its agents are refused within a second in ${regions}. For some weeks it can be <a href="/deletions">brought back</a> as it was, with its keys. To stop it for a while, disable it instead.</p>`,
      submit: 'Delete cluster',
      cancel: `/clusters/${body.id}`,
    }),
  };
}
