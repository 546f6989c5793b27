import { z } from '@hono/zod-openapi';
import type { auditLog } from '../../db/audit-table.ts';
import { actorShown, idOf, moment } from '../../http/fields.ts';

const representation = z
  .record(z.string(), z.json())
  .nullable()
  .openapi({ type: ['object', 'null'], additionalProperties: true });

/** An entry of the audit log as the API shows it. */
export const AuditEntry = z
  .strictObject({
    id: idOf('auditEntry'),
    at: moment,
    actor: actorShown.openapi({
      description: 'The application key that did it, as it was called then; `cli` for the command line.',
    }),
    action: z.string().openapi({ example: 'agent-key.update' }),
    resourceType: z.string().openapi({ example: 'agent-key' }),
    resourceId: z.string().openapi({ example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    tenantId: z.string().nullable().openapi({
      description: "Whose entry it is; null for the platform's own.",
      example: 'ten_01k9c0v8w1e4qafk3s7m2t6xhz',
    }),
    before: representation.openapi({
      description: 'As it was before; null where it was not there.',
      example: { id: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz', status: 'active' },
    }),
    after: representation.openapi({
      description: 'As it was afterwards; null where it was gone.',
      example: { id: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz', status: 'disabled' },
    }),
    requestId: z.string().openapi({ example: 'req_5f0c1d2e3a4b5c6d7e8f9012' }),
  })
  .openapi('AuditEntry');

export function toEntry(row: typeof auditLog.$inferSelect): z.infer<typeof AuditEntry> {
  const { actorId, actorName, at, before, after, ...rest } = row;
  return {
    ...rest,
    at: at.toISOString(),
    actor: { id: actorId, name: actorName },
    before: before as z.infer<typeof representation>,
    after: after as z.infer<typeof representation>,
  };
}
