import { z } from '@hono/zod-openapi';
import { and, desc, eq, inArray, lt, or, type SQL } from 'drizzle-orm';
import { type ContextRef, refText } from '../../../contexts/kinds/index.ts';
import { equals } from '../../data/where.ts';
import { auditLog } from '../../db/audit-table.ts';
import type { Queryable } from '../../db/client.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { AuditEntry, toEntry } from '../audit-log/entry.ts';
import { contextParams, findHead, tenantOfContext } from './context.ts';

export const getContextHistory = defineRoute({
  method: 'GET',
  path: '/v1/contexts/{kind}/{key}/history',
  operationId: 'getContextHistory',
  tag: 'contexts',
  summary: 'List what was done to a context, latest first',
  description:
    'Entries of the audit log: changes of the thing itself, what went or came back with its cluster or its tenant, and requests to publish it again. A change that was made with SQL is in no log: the head of `GET /v1/contexts/{kind}/{key}` has a `changedAt` that no entry explains then. Nor is what was done longer ago than the log is kept.',
  operation: 'contexts.read',
  params: contextParams,
  query: z.strictObject(pageQuery),
  answer: { status: 200, description: 'A page of entries.', schema: pageOf('HistoryPage', AuditEntry) },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params, query }) {
    const ref: ContextRef = params;
    await tenantOfContext(db, actor, ref);
    const page = pageRequest('history', query);
    const rows = await db
      .select()
      .from(auditLog)
      .where(
        and(
          or(...(await aboutContext(db, ref))),
          equals(auditLog.tenantId, actor.tenantId ?? undefined),
          page.after === undefined ? undefined : lt(auditLog.id, page.after),
        ),
      )
      .orderBy(desc(auditLog.id))
      .limit(page.limit + 1);
    if (rows.length === 0 && page.after === undefined && !(await findHead(db, ref))) fail('NOT_FOUND');
    return { body: pageFrom('history', page, rows, toEntry) };
  },
});

/** What an entry may be about to belong to the context's history: each an index's range. */
async function aboutContext(db: Queryable, ref: ContextRef): Promise<SQL[]> {
  const of = (type: string, id: string) => and(eq(auditLog.resourceType, type), eq(auditLog.resourceId, id))!;
  const withOwner = (type: string, id: string) =>
    and(of(type, id), inArray(auditLog.action, [`${type}.delete`, `${type}.undelete`]))!;
  const own = of(ref.kind === 'heartbeat' ? 'region' : ref.kind, ref.key);
  const owners = ref.kind === 'agent-key' || ref.kind === 'cluster' ? await ownersOf(db, own) : {};
  return [
    own,
    of('context', refText(ref)),
    ...(owners.clusterId === undefined ? [] : [withOwner('cluster', owners.clusterId)]),
    ...(owners.tenantId === undefined ? [] : [withOwner('tenant', owners.tenantId)]),
  ];
}

/** Cluster and tenant, as its latest entry names them: the row itself may be gone. */
async function ownersOf(db: Queryable, own: SQL): Promise<{ clusterId?: string; tenantId?: string }> {
  const [latest] = await db
    .select({ before: auditLog.before, after: auditLog.after })
    .from(auditLog)
    .where(own)
    .orderBy(desc(auditLog.id))
    .limit(1);
  const { clusterId, tenantId } = latest?.after ?? latest?.before ?? {};
  return {
    ...(typeof clusterId === 'string' ? { clusterId } : {}),
    ...(typeof tenantId === 'string' ? { tenantId } : {}),
  };
}
