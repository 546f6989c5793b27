import { z } from '@hono/zod-openapi';
import { readLags } from '../../db/region-lags.ts';
import { moment, regionId } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';

const Lag = z
  .strictObject({
    region: regionId,
    minute: moment.openapi({
      description: 'The minute, by its beginning; the first of several where `stepMinutes` says so.',
    }),
    lagMs: z.int().min(0).nullable().openapi({
      description:
        'The longest that a change took from its commit until it was announced in the region; null where none arrived.',
      example: 180,
    }),
    state: z.string().openapi({
      description:
        'How the region was by then, as in `publishing.state`; of several minutes the last state but `open`, if there was one.',
      example: 'open',
    }),
  })
  .openapi('Lag');

export const LagList = z
  .strictObject({
    items: z.array(Lag),
    stepMinutes: z.int().min(1).openapi({
      description: 'How many minutes are told together. 1 up to two hours back.',
      example: 1,
    }),
  })
  .openapi('LagList');

/** Of each region, so that a day of a hundred regions is an answer that can be read. */
const stepsMax = 120;

const minutes = z
  .string()
  .regex(/^\d{1,4}$/, 'must be a whole number')
  .transform(Number)
  .pipe(z.int().min(1, 'must be from 1 to 1440').max(1440, 'must be from 1 to 1440'))
  .optional()
  .openapi({ type: 'integer', minimum: 1, maximum: 1440, default: 60, description: 'How far back.' });

export const listLags = defineRoute({
  method: 'GET',
  path: '/v1/lags',
  operationId: 'listLags',
  tag: 'regions',
  summary: 'List how long changes took to each region, over time',
  description:
    'As publishers saw it, kept for a day. Heartbeats are changes too, so a healthy region has a number every minute. Whole, without pages, in the order of regions and minutes; of each region at most 120 steps and the one that has begun, so that what goes back further is told in coarser ones.',
  operation: 'gateways.read',
  query: z.strictObject({ minutes }),
  answer: { status: 200, description: 'The minutes.', schema: LagList },
  problems: [],
  async handle({ db, query }) {
    const { minutes = 60 } = query;
    const stepMinutes = Math.ceil(minutes / stepsMax);
    const lags = await readLags(db, { minutes, stepMinutes });
    const items = lags.map((lag) => ({ ...lag, minute: lag.minute.toISOString() }));
    return { body: { items, stepMinutes } };
  },
});
