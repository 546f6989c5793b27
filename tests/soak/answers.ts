import type { State, Thing } from './history.ts';

/** A secret that somebody holds, and whose it is. */
export interface Credential {
  secret: string;
  verifier: string;
  keyId: string;
  clusterId: string;
  tenantId: string;
  /** Its cluster goes from region to region: that a region knows nothing of it then says nothing of the key. */
  moves: boolean;
}

/** What a gateway says to a credential. */
export type Saying =
  | { says: 'granted'; permissions: string; clusterName: string }
  | { says: 'DISABLED' | 'NOT_FOUND' | 'TENANT_SUSPENDED' | 'CLUSTER_DISABLED' }
  /** Neither yes nor no: 503. */
  | { says: 'nothing'; code: string };

export interface Answer {
  region: string;
  gateway: string;
  credential: Credential;
  startMs: number;
  endMs: number;
  saying: Saying;
}

/** What a 200 or a problem document comes to. Undefined: no gateway is to answer so. */
export function toSaying(status: number, body: unknown): Saying | undefined {
  const {
    code = '',
    permissions,
    clusterName,
  } = (body ?? {}) as { code?: string; permissions?: string[]; clusterName?: string };
  if (status === 200 && Array.isArray(permissions) && typeof clusterName === 'string')
    return { says: 'granted', permissions: permissions.join(' '), clusterName };
  if (status === 503) return { says: 'nothing', code };
  if ((status === 401 && code === 'NOT_FOUND') || (status === 403 && refusals.has(code)))
    return { says: code as 'DISABLED' };
  return undefined;
}

const refusals = new Set(['DISABLED', 'TENANT_SUSPENDED', 'CLUSTER_DISABLED']);

export const things: readonly Thing[] = ['tenant', 'cluster', 'agent-key'];

export function idOf(credential: Credential, thing: Thing): string {
  if (thing === 'tenant') return credential.tenantId;
  return thing === 'cluster' ? credential.clusterId : credential.keyId;
}

/** Whether what was said is what that state of the thing leads to; undefined where it tells nothing of the thing. */
export function agrees(
  saying: Saying,
  thing: Thing,
  { row }: State,
  credential: Credential,
): boolean | undefined {
  if (saying.says === 'nothing') return undefined;
  switch (thing) {
    case 'tenant':
      if (saying.says === 'TENANT_SUSPENDED') return row?.status === 'suspended';
      return saying.says === 'granted' ? row?.status === 'active' : undefined;
    case 'cluster':
      if (saying.says === 'CLUSTER_DISABLED') return row?.status === 'disabled';
      if (saying.says !== 'granted') return undefined;
      return row?.status === 'active' && row.name === saying.clusterName;
    case 'agent-key': {
      const own = row !== null && row.verifier === credential.verifier;
      if (saying.says === 'NOT_FOUND') return credential.moves ? undefined : !own;
      if (saying.says === 'DISABLED') return own && row.status === 'disabled';
      const active = own && row.status === 'active';
      if (saying.says !== 'granted') return active;
      return active && (row.permissions as string[]).join(' ') === saying.permissions;
    }
  }
}
