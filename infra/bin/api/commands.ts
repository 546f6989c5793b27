import type { OperationId } from '../../client/hub-api.ts';

/**
 * The command of every operation of the hub's API: an operation without one does not compile. Two words are a command
 * of a group; those that are not in `handMade` are made from the catalogue.
 */
export const commandOf = {
  createTenant: 'tenants create',
  listTenants: 'tenants list',
  getTenant: 'tenants get',
  updateTenant: 'tenants update',
  deleteTenant: 'tenants delete',
  undeleteTenant: 'tenants undelete',
  getTenantResidency: 'tenants residency',
  createCluster: 'clusters create',
  listClusters: 'clusters list',
  getCluster: 'clusters get',
  updateCluster: 'clusters update',
  deleteCluster: 'clusters delete',
  undeleteCluster: 'clusters undelete',
  listDeletions: 'deletions list',
  createAgentKey: 'agent-keys create',
  importAgentKey: 'agent-keys import',
  createAgentKeys: 'apply',
  listAgentKeys: 'agent-keys list',
  getAgentKey: 'agent-keys get',
  updateAgentKey: 'agent-keys update',
  rotateAgentKey: 'agent-keys rotate',
  deleteAgentKey: 'agent-keys delete',
  createApplicationKey: 'application-keys create',
  listApplicationKeys: 'application-keys list',
  getApplicationKey: 'application-keys get',
  updateApplicationKey: 'application-keys update',
  deleteApplicationKey: 'application-keys delete',
  createUser: 'users create',
  listUsers: 'users list',
  getUser: 'users get',
  updateUser: 'users update',
  deleteUser: 'users delete',
  createUserLink: 'users create-link',
  createRegion: 'regions add',
  listRegions: 'regions list',
  getRegion: 'regions get',
  updateRegion: 'regions update',
  deleteRegion: 'regions remove',
  listRegionGateways: 'regions gateways',
  listRegionHolds: 'holds list',
  freezeRegion: 'freeze',
  unfreezeRegion: 'unfreeze',
  getFreeze: 'freezes list',
  setFreeze: 'freeze',
  liftFreeze: 'unfreeze',
  getContext: 'contexts get',
  refreshContext: 'contexts refresh',
  getContextHistory: 'contexts history',
  createSweep: 'sweep',
  listSweeps: 'sweeps list',
  getSweep: 'sweeps get',
  approveSweep: 'sweeps approve',
  createSeeding: 'regions reseed',
  listSeedings: 'seedings list',
  getSeeding: 'seedings get',
  listFences: 'fences list',
  getFence: 'fences get',
  listLags: 'regions lags',
  listRegionFigures: 'regions figures',
  listAuditLog: 'audit-log list',
  streamEvents: 'events',
  whoAmI: 'whoami',
} as const satisfies Record<OperationId, string>;

/** These do more than one operation, and are written by hand. */
export const handMade: ReadonlySet<OperationId> = new Set<OperationId>([
  ...(['createRegion', 'listRegions', 'deleteRegion', 'createSeeding'] as const),
  ...(['freezeRegion', 'setFreeze', 'unfreezeRegion', 'liftFreeze', 'getFreeze'] as const),
  ...([
    'createSweep',
    'approveSweep',
    'listRegionHolds',
    'createAgentKeys',
    'streamEvents',
    'whoAmI',
  ] as const),
]);

/** What a command has beyond what the catalogue says. */
export interface Shape {
  /** Asks before: what is read first, so that a person sees what it is, and what is lost. */
  destroys?: { read: OperationId; loses(thing: Record<string, unknown>): string };
  /** Regions given one by one, as `placements`. */
  placesInRegions?: true;
  /** The answer holds a secret, this once. */
  secret?: string;
}

export const shapes: Partial<Record<OperationId, Shape>> = {
  createCluster: { placesInRegions: true },
  updateCluster: { placesInRegions: true },
  createAgentKey: { secret: 'what the agent sends' },
  rotateAgentKey: { secret: 'what the agent sends from now on' },
  createApplicationKey: { secret: 'what people and programs ask the hub with' },
  createUser: { secret: 'the link to hand to the person' },
  createUserLink: { secret: 'the link to hand to the person' },
  deleteUser: {
    destroys: {
      read: 'getUser',
      loses: ({ id, email }) =>
        `This removes ${email} (${id}) for good: signed out everywhere, and no longer a member of what you see.`,
    },
  },
  deleteTenant: {
    destroys: {
      read: 'getTenant',
      loses: ({ id, name }) =>
        `This deletes the tenant ${JSON.stringify(name)} (${id}). With --cascade true also its clusters, and every agent key of theirs stops working.`,
    },
  },
  deleteCluster: {
    destroys: {
      read: 'getCluster',
      loses: ({ id, name, placements }) =>
        `This deletes the cluster ${JSON.stringify(name)} (${id}). All its agent keys stop working in ${(placements as { region: string }[]).map(({ region }) => region).join(', ')}.`,
    },
  },
  deleteAgentKey: {
    destroys: {
      read: 'getAgentKey',
      loses: ({ id, name }) =>
        `This revokes the agent key ${JSON.stringify(name)} (${id}) in every region, for good.`,
    },
  },
  deleteApplicationKey: {
    destroys: {
      read: 'getApplicationKey',
      loses: ({ id, name, role }) =>
        `This revokes the application key ${JSON.stringify(name)} (${id}, ${role}), for good.`,
    },
  },
};
