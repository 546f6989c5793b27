import type { AgentKey, Cluster, Region, Tenant } from '../../client/hub-api.ts';
import type { Place } from './document.ts';

export type ChangedKind = 'region' | 'tenant' | 'cluster' | 'agent-key';

/** One thing that is to be made, changed or deleted. */
export interface Change {
  kind: ChangedKind;
  action: 'create' | 'update' | 'delete';
  /** From the tenant down, as a person says it: `["Acme", "orders", "ci"]`. */
  path: readonly string[];
  /** Of what is there already. */
  id: string | undefined;
  /** Of the tenant or cluster it belongs to, where that is there already. */
  parentId: string | undefined;
  /** What the plan was made from: where the hub holds something else by then, it is made again. */
  basis: Region | Tenant | Cluster | AgentKey | undefined;
  /** What is sent. */
  body: Readonly<Record<string, unknown>>;
  /** What is sent once it is made, because it cannot be made so. */
  afterwards: Readonly<Record<string, unknown>> | undefined;
  /** What is sent once everything else of the plan is done, because it would be in its way: what tightens. */
  lastly: Readonly<Record<string, unknown>> | undefined;
  /** It is deleted before anything is made: a quota has no room for both. */
  makesRoom: boolean;
  fields: readonly FieldChange[];
  /** Where the file says so; absent for what the file does not name. */
  at: Place | undefined;
}

export interface FieldChange {
  name: string;
  before: unknown;
  after: unknown;
}

const words: Readonly<Record<ChangedKind, string>> = {
  region: 'region',
  tenant: 'tenant',
  cluster: 'cluster',
  'agent-key': 'agent key',
};

/** `cluster Acme/orders` */
export function describeThing({ kind, path }: Pick<Change, 'kind' | 'path'>): string {
  return `${words[kind]} ${path.join('/')}`;
}

/** The same for the same thing and no other, whatever stands in its names. */
export function pathKey(path: readonly string[]): string {
  return JSON.stringify(path);
}
