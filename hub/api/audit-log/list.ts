import { z } from '@hono/zod-openapi';
import { and, desc, gte, lt, type SQL, sql } from 'drizzle-orm';
import { timestamp } from '../../../contexts/base/clock.ts';
import { firstIdAt } from '../../../contexts/ids.ts';
import { equals } from '../../data/where.ts';
import { auditLog } from '../../db/audit-table.ts';
import { givenMoment, idOf } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { AuditEntry, toEntry } from './entry.ts';

export const listAuditLog = defineRoute({
  method: 'GET',
  path: '/v1/audit-log',
  operationId: 'listAuditLog',
  tag: 'audit-log',
  summary: 'List what was changed, by whom, latest first',
  description:
    "Every change made through the API is here, written in its transaction. A tenant's key sees its own tenant's entries only.",
  operation: 'audit-log.read',
  query: z.strictObject({
    ...pageQuery,
    resourceType: z
      .string()
      .max(40)
      .optional()
      .openapi({ description: 'About things of this type.', example: 'agent-key' }),
    resourceId: z.string().max(200).optional().openapi({ description: 'About the thing with this id.' }),
    action: z
      .string()
      .max(60)
      .optional()
      .openapi({ description: 'This was done.', example: 'agent-key.delete' }),
    actorId: z.string().max(64).optional().openapi({ description: 'Done by this application key.' }),
    tenantId: idOf('tenant').optional().openapi({ description: 'In the log of this tenant.' }),
    since: givenMoment.optional().openapi({ description: 'At this time or later.' }),
    until: givenMoment.optional().openapi({ description: 'Before this time.' }),
  }),
  answer: { status: 200, description: 'A page of entries.', schema: pageOf('AuditPage', AuditEntry) },
  problems: [],
  async handle({ actor, db, query }) {
    const page = pageRequest('audit-log', query);
    const rows = await db
      .select()
      .from(auditLog)
      .where(
        and(
          equals(auditLog.tenantId, actor.tenantId ?? undefined),
          equals(auditLog.tenantId, query.tenantId),
          equals(auditLog.resourceType, query.resourceType),
          equals(auditLog.resourceId, query.resourceId),
          equals(auditLog.action, query.action),
          equals(auditLog.actorId, query.actorId),
          ...between(query.since, query.until),
          page.after === undefined ? undefined : lt(auditLog.id, page.after),
        ),
      )
      .orderBy(desc(auditLog.id))
      .limit(page.limit + 1);
    return { body: pageFrom('audit-log', page, rows, toEntry) };
  },
});

/**
 * Ids tell when they were made, so that the index of the list leads to its part of that time. They are drawn by the
 * hub's clock and `at` by the database's: the two may be this far apart.
 */
const clocksApartMs = 10 * 60_000;

function between(since: string | undefined, until: string | undefined): (SQL | undefined)[] {
  const id = (text: string, apartMs: number) => firstIdAt('auditEntry', Date.parse(text) + apartMs);
  return [
    ...(since === undefined
      ? []
      : [gte(auditLog.at, instant(since)), gte(auditLog.id, id(since, -clocksApartMs))]),
    ...(until === undefined
      ? []
      : [lt(auditLog.at, instant(until)), lt(auditLog.id, id(until, clocksApartMs))]),
  ];
}

/** In UTC: not every zone that RFC 3339 allows is one to Postgres. */
function instant(text: string): SQL {
  return sql`${timestamp(Date.parse(text))}::timestamptz`;
}
