import { z } from '@hono/zod-openapi';
import { asc, eq, sql } from 'drizzle-orm';
import { gateways } from '../../db/fence-tables.ts';
import { moment } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { findRegion, regionParams } from './region.ts';

const Gateway = z
  .strictObject({
    id: z.string().openapi({ example: 'gw_6f1c0b2a9d3e4f5061728394' }),
    state: z
      .enum(['live', 'unknown'])
      .openapi({ description: '`unknown`: it has stopped reporting without a word.' }),
    build: z.string().openapi({ example: '0.1.0' }),
    startedAt: moment,
    reportedAt: moment.openapi({ description: "By the gateway's own clock." }),
    reportedAgoMs: z.int().min(0).openapi({ description: 'Since the report was found in the store.' }),
    watermark: z.int().min(0).openapi({
      description:
        "The number up to which the region's feed is in force there; 0 also while the gateway reads again what it holds, after it has booted from a snapshot or may have missed something.",
      example: 4711,
    }),
    feedIncarnation: z.string().nullable().openapi({ example: '3f1c0b2a9d3e4f50' }),
    cachedContexts: z.int().min(0).openapi({ example: 1200 }),
    degraded: z.boolean(),
  })
  .openapi('Gateway');

export const listRegionGateways = defineRoute({
  method: 'GET',
  path: '/v1/regions/{id}/gateways',
  operationId: 'listRegionGateways',
  tag: 'regions',
  summary: "List a region's gateways",
  description: 'As they report into the store of their region, and as a publisher has read it there.',
  operation: 'gateways.read',
  params: regionParams,
  query: z.strictObject(pageQuery),
  answer: { status: 200, description: 'A page of gateways.', schema: pageOf('GatewayPage', Gateway) },
  problems: ['NOT_FOUND'],
  async handle({ db, params, query }) {
    await findRegion(db, params.id);
    const page = pageRequest('gateways', query);
    const ageMs = sql<number>`extract(epoch from clock_timestamp() - ${gateways.observedAt})::float8 * 1000`;
    const rows = await db
      .select({ row: gateways, id: gateways.id, ageMs: ageMs.mapWith(Number) })
      .from(gateways)
      .where(
        page.after === undefined
          ? eq(gateways.region, params.id)
          : sql`${gateways.region} = ${params.id} and ${gateways.id} > ${page.after}`,
      )
      .orderBy(asc(gateways.id))
      .limit(page.limit + 1);
    return {
      body: pageFrom('gateways', page, rows, ({ row, ageMs }) => ({
        id: row.id,
        state: ageMs < row.lifetimeMs ? ('live' as const) : ('unknown' as const),
        build: row.build,
        startedAt: row.startedAt.toISOString(),
        reportedAt: row.reportedAt.toISOString(),
        reportedAgoMs: Math.max(0, Math.round(ageMs)),
        watermark: row.watermark,
        feedIncarnation: row.feedIncarnation,
        cachedContexts: row.cachedContexts,
        degraded: row.degraded,
      })),
    };
  },
});
