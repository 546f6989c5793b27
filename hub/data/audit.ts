import { newId } from '../../contexts/ids.ts';
import type { Actor } from '../auth/actor.ts';
import { auditLog } from '../db/audit-table.ts';
import type { Queryable } from '../db/client.ts';
import type { Services } from '../services.ts';
import type { SendAlong } from './transaction.ts';

/** One thing that was done. `before` and `after` are representations, in which there are no secrets and no verifiers. */
export interface AuditEntry {
  action:
    | 'create'
    | 'import'
    | 'update'
    | 'delete'
    | 'undelete'
    | 'rotate'
    | 'refresh'
    | 'request'
    | 'approve'
    | 'promote'
    | 'accept'
    | 'set-password'
    | 'link-identity'
    | 'unlink-identity'
    | 'sign-in'
    | 'sign-out'
    | 'sign-out-everywhere';
  resourceType:
    | 'tenant'
    | 'cluster'
    | 'agent-key'
    | 'application-key'
    | 'user'
    | 'membership'
    | 'one-time-link'
    | 'region'
    | 'context'
    | 'sweep'
    | 'freeze'
    | 'seeding'
    | 'epoch';
  resourceId: string;
  /** Whose log it belongs in; null for the platform's own. */
  tenantId: string | null;
  before?: object;
  after?: object;
}

/** Who does something, and with what. */
export interface AuditedCall {
  db: Queryable;
  actor: Pick<Actor, 'id' | 'name'>;
  requestId: string;
  services: Pick<Services, 'clock' | 'random'>;
  /** Where there is one, the entries are sent by it. */
  sendAlong?: SendAlong;
}

/** Writes the entries in the transaction of what they tell of: neither is there without the other. */
export async function writeAudit(
  call: AuditedCall,
  ...entries: readonly [AuditEntry, ...AuditEntry[]]
): Promise<void> {
  const { clock, random } = call.services;
  const rows = entries.map((entry) => ({
    id: newId('auditEntry', clock, random),
    actorId: call.actor.id,
    actorName: call.actor.name,
    requestId: call.requestId,
    ...entry,
    action: `${entry.resourceType}.${entry.action}`,
    before: entry.before as Record<string, unknown> | undefined,
    after: entry.after as Record<string, unknown> | undefined,
  }));
  const written = call.db.insert(auditLog).values(rows);
  await (call.sendAlong ? call.sendAlong(written) : written);
}
