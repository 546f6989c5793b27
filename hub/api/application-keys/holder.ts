import { and, eq, isNull } from 'drizzle-orm';
import { type AuditedCall, writeAudit } from '../../data/audit.ts';
import { applicationKeys } from '../../db/application-key-table.ts';
import { toApplicationKey, withoutUse } from './application-key.ts';

/** What becomes of a person's keys when they leave: gone with them, or handed over to where they work. */
export type Fate = 'delete' | 'keep';

/** Ends or hands over the keys that a person has in one scope, each with its entry in the log there. */
export async function partKeys(
  call: AuditedCall,
  { userId, tenantId }: { userId: string; tenantId: string | null },
  fate: Fate,
): Promise<void> {
  const theirs = and(
    eq(applicationKeys.userId, userId),
    tenantId === null ? isNull(applicationKeys.tenantId) : eq(applicationKeys.tenantId, tenantId),
  );
  const { db } = call;
  const rows =
    fate === 'delete'
      ? await db.delete(applicationKeys).where(theirs).returning()
      : await db.update(applicationKeys).set({ userId: null }).where(theirs).returning();
  for (const row of rows) {
    const before = { ...withoutUse(toApplicationKey(row)), userId };
    await writeAudit(call, {
      action: fate === 'delete' ? 'delete' : 'update',
      resourceType: 'application-key',
      resourceId: row.id,
      tenantId,
      before,
      ...(fate === 'keep' ? { after: withoutUse(toApplicationKey(row)) } : {}),
    });
  }
}
