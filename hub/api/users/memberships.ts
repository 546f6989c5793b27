import { and, eq, isNull } from 'drizzle-orm';
import { covers } from '../../access.ts';
import { voidInvitations } from '../../auth/one-time-links.ts';
import { scopeKey } from '../../auth/sessions.ts';
import { writeAudit } from '../../data/audit.ts';
import { memberships } from '../../db/people-tables.ts';
import { blame, fail } from '../../http/problems.ts';
import type { Call } from '../../http/route.ts';
import { type Fate, partKeys } from '../application-keys/holder.ts';
import { requireTenant } from '../tenants/tenant.ts';
import { type MembershipRow, membershipsFor, type Person, toMembership } from './user.ts';

type AnyCall = Call<unknown, unknown, unknown>;
export type Wanted = { tenantId: string | null; role: MembershipRow['role'] };

/**
 * The memberships a request asks for, each checked: the tenant is there for the actor, and the actor has the rights
 * that it would give.
 * @throws ProblemError 400, 403 or 404.
 */
export async function checkedMemberships(
  { db, actor }: AnyCall,
  given: readonly { tenantId?: string | null | undefined; role: Wanted['role'] }[],
): Promise<Wanted[]> {
  const wanted = given.map(({ tenantId = actor.tenantId, role }) => ({ tenantId, role }));
  const seen = new Set<string>();
  for (const [index, one] of wanted.entries()) {
    const pointer = `/memberships/${index}/tenantId`;
    if (seen.has(scopeKey(one.tenantId)))
      blame('VALIDATION_FAILED', pointer, 'is named twice; a person has one role in each');
    seen.add(scopeKey(one.tenantId));
    if (one.tenantId !== null) await requireTenant(db, actor, one.tenantId, pointer);
    if (!covers(actor, one)) fail('FORBIDDEN', 'The person would get rights that you do not have.');
  }
  return wanted;
}

/** Adds memberships, to be accepted, each with its entry in the log of where it belongs. */
export async function addMemberships(
  call: AnyCall,
  user: { id: string; email: string },
  added: readonly Wanted[],
): Promise<void> {
  for (const { tenantId, role } of added) {
    await call.db.insert(memberships).values({ userId: user.id, tenantId, role });
    await auditMembership(call, 'create', user, tenantId, {
      after: { email: user.email, tenantId, role, status: 'invited' },
    });
  }
}

/**
 * Ends a membership, and with it invitations to it that are still open, and the person's application keys there, unless
 * they are handed over.
 */
export async function removeMembership(
  call: AnyCall,
  user: { id: string; email: string },
  row: MembershipRow,
  keys: Fate = 'delete',
): Promise<void> {
  await partKeys(call, row, keys);
  await voidInvitations(call.db, row);
  await call.db.delete(memberships).where(isMembership(row));
  await auditMembership(call, 'delete', user, row.tenantId, {
    before: { email: user.email, ...toMembership(row) },
  });
}

/**
 * Makes what the actor sees of a person's memberships what is wanted. What is new must be accepted first; who goes on
 * belonging has another role at once.
 */
export async function replaceMemberships(
  call: AnyCall,
  { row, all }: Person,
  wanted: readonly Wanted[],
): Promise<'changed' | 'unchanged'> {
  const visible = membershipsFor(all, call.actor);
  const find = (tenantId: string | null) => visible.find((one) => one.tenantId === tenantId);
  const gone = visible.filter(({ tenantId }) => !wanted.some((one) => one.tenantId === tenantId));
  const added = wanted.filter(({ tenantId }) => find(tenantId) === undefined);
  const changed = wanted.filter(({ tenantId, role }) => {
    const before = find(tenantId);
    return before !== undefined && before.role !== role;
  });
  for (const one of gone) await removeMembership(call, row, one);
  await addMemberships(call, row, added);
  for (const { tenantId, role } of changed) {
    const before = find(tenantId)!;
    await call.db.update(memberships).set({ role }).where(isMembership(before));
    await auditMembership(call, 'update', row, tenantId, {
      before: { email: row.email, ...toMembership(before) },
      after: { email: row.email, ...toMembership({ ...before, role }) },
    });
  }
  return gone.length + added.length + changed.length > 0 ? 'changed' : 'unchanged';
}

function isMembership({ userId, tenantId }: Pick<MembershipRow, 'userId' | 'tenantId'>) {
  const inScope = tenantId === null ? isNull(memberships.tenantId) : eq(memberships.tenantId, tenantId);
  return and(eq(memberships.userId, userId), inScope);
}

function auditMembership(
  call: AnyCall,
  action: 'create' | 'update' | 'delete',
  user: { id: string },
  tenantId: string | null,
  states: { before?: object; after?: object },
): Promise<void> {
  return writeAudit(call, { action, resourceType: 'membership', resourceId: user.id, tenantId, ...states });
}
