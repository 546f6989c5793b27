import { assert } from '../contexts/base/assert.ts';
import type { Actor, Role } from './auth/actor.ts';
import { fail } from './http/problems.ts';

/**
 * Who may do what: the only place that says so. Every route names its row; docs/reference/api.md prints the table.
 *
 * A row gives the least role that suffices, on the platform and in one tenant, for keys and people alike. `null`:
 * nobody. A tenant's key is also confined to its tenant's things wherever it may act at all: to it, others' do not exist
 * (404). What a row forbids is 403 for every id alike, so it tells nothing either.
 */
export const matrix = {
  'tenants.read': { platform: 'viewer', tenant: 'viewer' },
  // A tenant must not lift its own suspension, and names of tenants are unique across all of them.
  'tenants.write': { platform: 'admin', tenant: null },
  'clusters.read': { platform: 'viewer', tenant: 'viewer' },
  'clusters.write': { platform: 'admin', tenant: 'admin' },
  'agent-keys.read': { platform: 'viewer', tenant: 'viewer' },
  'agent-keys.write': { platform: 'admin', tenant: 'admin' },
  // Whoever knows another's hash could take the place of its secret: the platform's, as the names of tenants are.
  'agent-keys.import': { platform: 'admin', tenant: null },
  'application-keys.read': { platform: 'viewer', tenant: 'viewer' },
  // And never a key with more rights than one's own: see `covers`.
  'application-keys.write': { platform: 'owner', tenant: 'owner' },
  // A tenant's people see each other, as far as they belong to that tenant, and nobody else.
  'users.read': { platform: 'viewer', tenant: 'viewer' },
  // A tenant's owner changes memberships of that tenant only, and the account of who belongs nowhere else.
  'users.write': { platform: 'owner', tenant: 'owner' },
  // Tenants see where they can place clusters, not where the stores are.
  'regions.read': { platform: 'viewer', tenant: 'viewer' },
  'regions.write': { platform: 'owner', tenant: null },
  // Who lives where is the platform's business.
  'gateways.read': { platform: 'viewer', tenant: null },
  'fences.read': { platform: 'viewer', tenant: 'viewer' },
  'contexts.read': { platform: 'viewer', tenant: 'viewer' },
  'contexts.refresh': { platform: 'admin', tenant: 'admin' },
  'sweeps.read': { platform: 'viewer', tenant: null },
  'sweeps.write': { platform: 'admin', tenant: null },
  // Lets through what the budget of losses holds.
  'sweeps.approve': { platform: 'admin', tenant: null },
  'holds.read': { platform: 'viewer', tenant: null },
  'freezes.read': { platform: 'viewer', tenant: null },
  'freezes.write': { platform: 'admin', tenant: null },
  'deletions.read': { platform: 'viewer', tenant: 'viewer' },
  'audit-log.read': { platform: 'viewer', tenant: 'viewer' },
  'events.read': { platform: 'viewer', tenant: 'viewer' },
  // Of the key itself.
  'whoami.read': { platform: 'viewer', tenant: 'viewer' },
} as const satisfies Record<string, { platform: Role | null; tenant: Role | null }>;

export type Operation = keyof typeof matrix;

const rank: Record<Role, number> = { viewer: 1, admin: 2, owner: 3 };

/** Whether the matrix lets the actor do this at all. */
export function allows(actor: Pick<Actor, 'role' | 'tenantId'>, operation: Operation): boolean {
  const least = matrix[operation][actor.tenantId === null ? 'platform' : 'tenant'];
  return least !== null && rank[actor.role] >= rank[least];
}

/** @throws ProblemError 403 unless the matrix lets the actor do this. */
export function checkAccess(actor: Actor, operation: Operation): void {
  if (allows(actor, operation)) return;
  const scope = actor.tenantId === null ? 'the platform' : 'a tenant';
  fail('FORBIDDEN', `${operation} is not for the role ${actor.role} of ${scope}.`);
}

/** Whether things of that tenant (null: of the platform) exist for the actor. */
export function sees(actor: Pick<Actor, 'tenantId'>, tenantId: string | null): boolean {
  return actor.tenantId === null || actor.tenantId === tenantId;
}

/** Whether the actor has at least the rights that a key with this role and scope has. */
export function covers(actor: Actor, key: { role: Role; tenantId: string | null }): boolean {
  assert(rank[key.role] !== undefined, `no role ${key.role}`);
  return rank[actor.role] >= rank[key.role] && sees(actor, key.tenantId);
}
