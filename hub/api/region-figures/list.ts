import { z } from '@hono/zod-openapi';
import { type RegionFigures as Figures, readRegionFigures } from '../../db/region-figures.ts';
import { idOf, moment, regionId } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';

const gatewayCount = z.int().min(0);

const RegionFigures = z
  .strictObject({
    region: regionId,
    contexts: z.int().min(0).nullable().openapi({
      description: 'Live contexts at the end of the last sweep; null before the first.',
    }),
    gateways: z
      .strictObject({
        live: gatewayCount,
        unknown: gatewayCount.openapi({ description: 'They stopped reporting without a word.' }),
        degraded: gatewayCount.openapi({ description: 'Of those that live.' }),
        builds: z.array(z.string()).openapi({ description: 'Of those that live.', example: ['0.1.0'] }),
        watermarkLeast: z.int().min(0).nullable().openapi({
          description: 'Of those that tell how far they are; null where none does.',
          example: 4711,
        }),
        watermarkMost: z.int().min(0).nullable().openapi({ example: 4711 }),
      })
      .openapi('GatewayFigures'),
    sweep: z
      .strictObject({
        id: idOf('sweep'),
        finishedAt: moment,
        drift: z
          .int()
          .min(0)
          .openapi({ description: 'Differences it found: missing, stale, corrupt, orphan or ahead.' }),
      })
      .nullable()
      .openapi({ type: ['object', 'null'], description: 'The last complete one.' }),
    lag: z
      .strictObject({ lagMs: z.int().min(0), minute: moment })
      .nullable()
      .openapi({
        type: ['object', 'null'],
        description: 'Of the latest minute in which a change arrived; see `GET /v1/lags`.',
      }),
  })
  .openapi('RegionFigures');

export const RegionFiguresList = z
  .strictObject({ items: z.array(RegionFigures) })
  .openapi('RegionFiguresList');

export const listRegionFigures = defineRoute({
  method: 'GET',
  path: '/v1/region-figures',
  operationId: 'listRegionFigures',
  tag: 'regions',
  summary: 'List every region in numbers: contexts, gateways, drift, lag',
  description: 'For one screen over all regions. Whole, without pages, in the order of their ids.',
  operation: 'gateways.read',
  answer: { status: 200, description: 'A line a region.', schema: RegionFiguresList },
  problems: [],
  async handle({ db }) {
    return { body: { items: (await readRegionFigures(db)).map(toBody) } };
  },
});

function toBody({ sweep, lag, ...rest }: Figures): z.infer<typeof RegionFigures> {
  return {
    ...rest,
    sweep: sweep && {
      id: sweep.id,
      finishedAt: sweep.finishedAt.toISOString(),
      drift: driftOf(sweep.counts),
    },
    lag: lag && { lagMs: lag.lagMs, minute: lag.minute.toISOString() },
  };
}

function driftOf({
  missing = 0,
  stale = 0,
  corrupt = 0,
  orphan = 0,
  ahead = 0,
}: NonNullable<Figures['sweep']>['counts']): number {
  return missing + stale + corrupt + orphan + ahead;
}
