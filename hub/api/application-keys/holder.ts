import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import { lesserRole, type Role, roles } from '../../auth/actor.ts';
import { type AuditedCall, writeAudit } from '../../data/audit.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import type { Queryable } from '../../db/client.ts';
import { memberships } from '../../db/people-tables.ts';
import { type ApplicationKeyRow, toApplicationKey, withoutUse } from './application-key.ts';

/** What becomes of a person's keys when they leave: gone with them, or handed over to where they work. */
export type Fate = 'delete' | 'keep';

/**
 * Ends or hands over the keys that a person has in one scope, each with its entry in the log there. Whoever has the
 * secret goes on having it: a key is handed over with what it could do by the end, not with what its person could once.
 */
export async function partKeys(
  call: AuditedCall,
  holder: { userId: string; tenantId: string | null; role: Role; acceptedAt: Date | null },
  wanted: Fate,
): Promise<void> {
  const { userId, tenantId, role, acceptedAt } = holder;
  const theirs = and(
    eq(applicationKeys.userId, userId),
    tenantId === null ? isNull(applicationKeys.tenantId) : eq(applicationKeys.tenantId, tenantId),
  );
  const { db } = call;
  const rows = await db.select().from(applicationKeys).where(theirs).for('update');
  const fate = acceptedAt === null ? 'delete' : wanted;
  const above = roles.slice(0, roles.indexOf(role));
  const after =
    fate === 'delete'
      ? await db.delete(applicationKeys).where(theirs).returning()
      : await db
          .update(applicationKeys)
          .set({
            userId: null,
            role: sql`case when ${inArray(applicationKeys.role, above)} then ${role} else ${applicationKeys.role} end`,
          })
          .where(theirs)
          .returning();
  for (const row of rows) {
    const kept = after.find(({ id }) => id === row.id);
    await writeAudit(call, {
      action: fate === 'delete' ? 'delete' : 'update',
      resourceType: 'application-key',
      resourceId: row.id,
      tenantId,
      before: withoutUse(toApplicationKey(row)),
      ...(fate === 'keep' && kept ? { after: withoutUse(toApplicationKey(kept)) } : {}),
    });
  }
}

type Held = Pick<ApplicationKeyRow, 'userId' | 'tenantId' | 'role'>;

/** What a person's key can do at the moment; where its person is not there (any more), no more than reading. */
export async function presentRole(db: Queryable, key: Held): Promise<Role> {
  return lesserRole(key.role, (await holderRole(db, key)) ?? 'viewer');
}

/** What the person whose key it is may do where it works: null where nothing, the key's own role where it is nobody's. */
export async function holderRole(db: Queryable, { userId, tenantId, role }: Held): Promise<Role | null> {
  if (userId === null) return role;
  const inScope = tenantId === null ? isNull(memberships.tenantId) : eq(memberships.tenantId, tenantId);
  const [membership] = await db
    .select({ role: memberships.role })
    .from(memberships)
    .where(and(eq(memberships.userId, userId), inScope, isNotNull(memberships.acceptedAt)));
  return membership?.role ?? null;
}
