/** The chapters of the API, in the order of its pages, and what each is about. A route names its own. */
export const tags = {
  tenants: 'Whom the platform is run for. Everything a tenant has goes and stops with it.',
  clusters: 'What agents connect to, and the regions it is placed in.',
  'agent-keys':
    'The credentials of agents, one cluster each. Their verifiers are replicated to the regions of the cluster; their secrets are shown once.',
  'application-keys':
    'The credentials of this API, for people and programs. They never leave the hub. `whoami` tells a key what it is.',
  users: 'People: who may sign in, and with which roles.',
  regions: 'Where gateways serve agents: each has a store of its own, to which the hub publishes.',
  freeze: 'Stop publishing to one region or to all of them, while somebody looks.',
  contexts: 'What is replicated, one thing at a time: what the hub derives and what each region holds.',
  sweeps: 'Compare everything a region should hold with everything it holds, and repair the difference.',
  seedings: 'Fill a region that is new or empty, before it serves.',
  deletions: 'Tenants and clusters that were deleted and can still be brought back.',
  fences: 'How far a change has come: stored by each region, seen by each gateway.',
  events: 'What happens, as it happens: changes, and how far they have come, as a stream.',
  'audit-log': 'What was changed, by whom, before and after.',
} as const;

export type Tag = keyof typeof tags;
