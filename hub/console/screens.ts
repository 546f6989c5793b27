import { activityPage } from './activity/list.ts';
import { propagationPage } from './activity/propagation.ts';
import { keyCreation, keyForm } from './agent-keys/create.ts';
import { keyChange, keyEdit } from './agent-keys/edit.ts';
import { keyImport, keyImportForm } from './agent-keys/import.ts';
import { keyList } from './agent-keys/list.ts';
import { keyRevocation, keyRevocationForm } from './agent-keys/revoke.ts';
import { keyRotation } from './agent-keys/rotate.ts';
import { keyPage } from './agent-keys/show.ts';
import { keyStatus } from './agent-keys/status.ts';
import { applicationKeyCreation, applicationKeyForm } from './application-keys/create.ts';
import { applicationKeyChange, applicationKeyEdit } from './application-keys/edit.ts';
import { applicationKeyList } from './application-keys/list.ts';
import { applicationKeyRevocation, applicationKeyRevocationForm } from './application-keys/revoke.ts';
import { applicationKeyPage } from './application-keys/show.ts';
import { applicationKeyStatus } from './application-keys/status.ts';
import { auditExport } from './audit-log/export.ts';
import { auditPage } from './audit-log/list.ts';
import { clusterCreation, clusterForm } from './clusters/create.ts';
import { clusterDeletion, clusterDeletionForm } from './clusters/delete.ts';
import { clusterChange, clusterEdit } from './clusters/edit.ts';
import { clusterList } from './clusters/list.ts';
import { clusterPage } from './clusters/show.ts';
import { clusterStatus } from './clusters/status.ts';
import { clusterUndeletion, deletionList, tenantUndeletion } from './deletions/list.ts';
import { overviewPage } from './overview/overview.ts';
import { contextPage, contextRefresh } from './quarantine/context.ts';
import { contextHistoryPage } from './quarantine/history.ts';
import { quarantinePage } from './quarantine/list.ts';
import { regionRemoval, regionRemovalForm, regionSeeding, regionSweep } from './regions/change.ts';
import { regionCreation, regionForm } from './regions/create.ts';
import { freezeOfAll, regionFreeze } from './regions/freeze.ts';
import { regionList, sweepAll } from './regions/list.ts';
import { planApproval, planPage } from './regions/plan.ts';
import { seedingList } from './regions/seedings.ts';
import { regionPage } from './regions/show.ts';
import { regionStatus } from './regions/status.ts';
import type { Screen } from './screen.ts';
import { tenantCreation, tenantForm } from './tenants/create.ts';
import { tenantDeletion, tenantDeletionForm } from './tenants/delete.ts';
import { tenantChange, tenantEdit } from './tenants/edit.ts';
import { tenantList } from './tenants/list.ts';
import { residencyPage } from './tenants/residency.ts';
import { tenantPage } from './tenants/show.ts';
import { tenantStatus } from './tenants/status.ts';
import { userCreation, userForm } from './users/create.ts';
import { userDeletion, userDeletionForm } from './users/delete.ts';
import { userChange, userEdit } from './users/edit.ts';
import { userLink } from './users/link.ts';
import { userList } from './users/list.ts';
import { userPage } from './users/show.ts';
import { userStatus } from './users/status.ts';

/** What people see who are signed in, whole. Fixed paths stand before those with an id in their place. */
export const screens: readonly Screen[] = [
  overviewPage,
  ...[clusterList, clusterForm, clusterCreation, clusterPage, clusterEdit, clusterChange],
  ...[clusterStatus, clusterDeletionForm, clusterDeletion],
  ...[
    keyList,
    keyForm,
    keyCreation,
    keyImportForm,
    keyImport,
    keyPage,
    keyEdit,
    keyChange,
    keyStatus,
    keyRotation,
    keyRevocationForm,
    keyRevocation,
  ],
  ...[
    tenantList,
    tenantForm,
    tenantCreation,
    tenantPage,
    tenantEdit,
    tenantChange,
    tenantStatus,
    tenantDeletionForm,
    tenantDeletion,
  ],
  ...[regionList, regionForm, regionCreation, sweepAll, freezeOfAll, regionPage, regionStatus],
  ...[regionSweep, regionSeeding, regionFreeze, planPage, planApproval, regionRemovalForm, regionRemoval],
  ...[applicationKeyList, applicationKeyForm, applicationKeyCreation, applicationKeyPage],
  ...[applicationKeyEdit, applicationKeyChange, applicationKeyStatus],
  ...[applicationKeyRevocationForm, applicationKeyRevocation],
  ...[
    deletionList,
    tenantUndeletion,
    clusterUndeletion,
    residencyPage,
    seedingList,
    contextHistoryPage,
    userLink,
  ],
  ...[quarantinePage, contextPage, contextRefresh],
  ...[activityPage, propagationPage, auditPage, auditExport],
  ...[
    userList,
    userForm,
    userCreation,
    userPage,
    userEdit,
    userChange,
    userStatus,
    userDeletionForm,
    userDeletion,
  ],
];
