import { createAgentKey } from './api/agent-keys/create.ts';
import { createAgentKeys } from './api/agent-keys/create-several.ts';
import { deleteAgentKey } from './api/agent-keys/delete.ts';
import { getAgentKey } from './api/agent-keys/get.ts';
import { importAgentKey } from './api/agent-keys/import.ts';
import { listAgentKeys } from './api/agent-keys/list.ts';
import { rotateAgentKey } from './api/agent-keys/rotate.ts';
import { updateAgentKey } from './api/agent-keys/update.ts';
import { createApplicationKey } from './api/application-keys/create.ts';
import { deleteApplicationKey } from './api/application-keys/delete.ts';
import { getApplicationKey } from './api/application-keys/get.ts';
import { listApplicationKeys } from './api/application-keys/list.ts';
import { updateApplicationKey } from './api/application-keys/update.ts';
import { listAuditLog } from './api/audit-log/list.ts';
import { createCluster } from './api/clusters/create.ts';
import { deleteCluster } from './api/clusters/delete.ts';
import { getCluster } from './api/clusters/get.ts';
import { listClusters } from './api/clusters/list.ts';
import { undeleteCluster } from './api/clusters/undelete.ts';
import { updateCluster } from './api/clusters/update.ts';
import { getContext } from './api/contexts/get.ts';
import { getContextHistory } from './api/contexts/history.ts';
import { refreshContext } from './api/contexts/refresh.ts';
import { listDeletions } from './api/deletions/list.ts';
import { streamEvents } from './api/events/stream.ts';
import { getFence } from './api/fences/get.ts';
import { listFences } from './api/fences/list.ts';
import { getFreeze } from './api/freeze/get.ts';
import { liftFreeze } from './api/freeze/lift.ts';
import { setFreeze } from './api/freeze/set.ts';
import { listLags } from './api/lags/list.ts';
import { listRegionFigures } from './api/region-figures/list.ts';
import { createRegion } from './api/regions/create.ts';
import { deleteRegion } from './api/regions/delete.ts';
import { freezeRegion } from './api/regions/freeze.ts';
import { listRegionGateways } from './api/regions/gateways.ts';
import { getRegion } from './api/regions/get.ts';
import { listRegionHolds } from './api/regions/holds.ts';
import { listRegions } from './api/regions/list.ts';
import { unfreezeRegion } from './api/regions/unfreeze.ts';
import { updateRegion } from './api/regions/update.ts';
import { createSeeding } from './api/seedings/create.ts';
import { getSeeding } from './api/seedings/get.ts';
import { listSeedings } from './api/seedings/list.ts';
import { approveSweep } from './api/sweeps/approve.ts';
import { createSweep } from './api/sweeps/create.ts';
import { getSweep } from './api/sweeps/get.ts';
import { listSweeps } from './api/sweeps/list.ts';
import { createTenant } from './api/tenants/create.ts';
import { deleteTenant } from './api/tenants/delete.ts';
import { getTenant } from './api/tenants/get.ts';
import { listTenants } from './api/tenants/list.ts';
import { getTenantResidency } from './api/tenants/residency.ts';
import { undeleteTenant } from './api/tenants/undelete.ts';
import { updateTenant } from './api/tenants/update.ts';
import { createUser } from './api/users/create.ts';
import { deleteUser } from './api/users/delete.ts';
import { getUser } from './api/users/get.ts';
import { createUserLink } from './api/users/link.ts';
import { listUsers } from './api/users/list.ts';
import { updateUser } from './api/users/update.ts';
import { whoAmI } from './api/whoami/get.ts';
import type { AnyRoute } from './http/route.ts';

/** The API, whole. What is not in this list does not exist; what is in it is documented and in the security suite. */
export const routes: readonly AnyRoute[] = [
  ...[createTenant, listTenants, getTenant, updateTenant, deleteTenant, undeleteTenant, getTenantResidency],
  ...[createCluster, listClusters, getCluster, updateCluster, deleteCluster, undeleteCluster],
  listDeletions,
  ...[
    createAgentKey,
    createAgentKeys,
    importAgentKey,
    listAgentKeys,
    getAgentKey,
    updateAgentKey,
    rotateAgentKey,
    deleteAgentKey,
  ],
  ...[
    createApplicationKey,
    listApplicationKeys,
    getApplicationKey,
    updateApplicationKey,
    deleteApplicationKey,
  ],
  ...[createUser, listUsers, getUser, updateUser, deleteUser, createUserLink],
  ...[createRegion, listRegions, getRegion, updateRegion, deleteRegion, listRegionGateways],
  ...[listRegionHolds, freezeRegion, unfreezeRegion, getFreeze, setFreeze, liftFreeze],
  ...[getContext, refreshContext, getContextHistory],
  ...[createSweep, listSweeps, getSweep, approveSweep],
  ...[createSeeding, listSeedings, getSeeding],
  ...[listFences, getFence, listLags, listRegionFigures],
  listAuditLog,
  streamEvents,
  whoAmI,
];
