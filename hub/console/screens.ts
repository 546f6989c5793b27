import { activityPage } from './activity/list.ts';
import { propagationPage } from './activity/propagation.ts';
import { keyRevocation, keyRevocationForm, keyRotation, keyStatus } from './agent-keys/change.ts';
import { keyCreation, keyForm } from './agent-keys/create.ts';
import { keyChange, keyEdit } from './agent-keys/edit.ts';
import { keyImport, keyImportForm } from './agent-keys/import.ts';
import { keyList } from './agent-keys/list.ts';
import { keyPage } from './agent-keys/show.ts';
import { applicationKeyCreation, applicationKeyForm } from './application-keys/create.ts';
import { applicationKeyChange, applicationKeyEdit } from './application-keys/edit.ts';
import { applicationKeyList } from './application-keys/list.ts';
import {
  applicationKeyPage,
  applicationKeyRevocation,
  applicationKeyRevocationForm,
  applicationKeyStatus,
} from './application-keys/show.ts';
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
import {
  regionRemoval,
  regionRemovalForm,
  regionSeeding,
  regionStatus,
  regionSweep,
} from './regions/change.ts';
import { regionCreation, regionForm } from './regions/create.ts';
import { freezeOfAll, regionFreeze } from './regions/freeze.ts';
import { regionList, sweepAll } from './regions/list.ts';
import { planApproval, planPage } from './regions/plan.ts';
import { seedingList } from './regions/seedings.ts';
import { regionPage } from './regions/show.ts';
import type { Screen } from './screen.ts';
import { tenantDeletion, tenantDeletionForm, tenantStatus } from './tenants/change.ts';
import { tenantCreation, tenantForm } from './tenants/create.ts';
import { tenantChange, tenantEdit } from './tenants/edit.ts';
import { tenantList } from './tenants/list.ts';
import { residencyPage } from './tenants/residency.ts';
import { tenantPage } from './tenants/show.ts';
import { userCreation, userForm } from './users/create.ts';
import { userChange, userEdit } from './users/edit.ts';
import { userLink } from './users/link.ts';
import { userList } from './users/list.ts';
import { userDeletion, userDeletionForm, userPage, userStatus } from './users/show.ts';

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
