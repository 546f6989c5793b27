import { html } from 'hono/html';
import { deleteCluster } from '../../api/clusters/delete.ts';
import { getCluster } from '../../api/clusters/get.ts';
import { removalScreens } from '../parts/removal.ts';

export const [clusterDeletionForm, clusterDeletion] = removalScreens({
  path: '/clusters/{id}',
  verb: 'delete',
  submit: 'Delete cluster',
  read: getCluster,
  remove: deleteCluster,
  consequences({ placements }) {
    const regions = placements.map(({ region }) => region).join(', ');
    return html`<p><strong>The cluster and all its agent keys go</strong>, and its agents are refused within a second in ${regions}. For some weeks it can be <a href="/deletions">brought back</a> as it was, with its keys. To stop it for a while, disable it instead.</p>`;
  },
  afterwards: () => '/clusters',
  told: 'deleted',
  followed: true,
});
