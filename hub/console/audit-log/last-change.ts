import type { z } from 'zod';
import type { AuditEntry } from '../../api/audit-log/entry.ts';
import { listAuditLog } from '../../api/audit-log/list.ts';
import type { View } from '../screen.ts';

export type EntryView = z.infer<typeof AuditEntry>;

/** The name of who changed a thing last; undefined where the log does not say. */
export async function lastChangeBy(
  { api }: View,
  resourceType: string,
  resourceId: string,
): Promise<string | undefined> {
  const query = { resourceType, resourceId, limit: '1' };
  const found = await api.call(listAuditLog, { query });
  return found.outcome === 'done' ? found.body.items[0]?.actor.name : undefined;
}
