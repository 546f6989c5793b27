import { updateCluster } from '../../api/clusters/update.ts';
import { statusScreen } from '../parts/status.ts';

export const clusterStatus = statusScreen('/clusters/{id}', updateCluster);
