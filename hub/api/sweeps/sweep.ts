import { z } from '@hono/zod-openapi';
import { getTableColumns } from 'drizzle-orm';
import type { SweepCounts } from '../../db/schema.ts';
import { sweeps } from '../../db/schema.ts';
import { idOf, moment, regionId } from '../../http/fields.ts';

export const sweepStatus = z.enum(
  ['requested', 'queued', 'running', 'completed', 'failed'],
  'must be requested, queued, running, completed or failed',
);

const countNames = [
  'scanned',
  'written',
  'reannounced',
  'missing',
  'stale',
  'corrupt',
  'orphan',
  'ahead',
  'heldAhead',
  'quarantined',
  'expired',
  'held',
  'frozen',
] as const satisfies (keyof SweepCounts)[];
const Counts = z
  .strictObject(
    Object.fromEntries(countNames.map((name) => [name, z.int().min(0)])) as Record<
      keyof SweepCounts,
      z.ZodInt
    >,
  )
  .openapi('SweepCounts', {
    description: 'What the sweep found and did, in contexts.',
    example: {
      scanned: 12000,
      written: 2,
      reannounced: 0,
      missing: 1,
      stale: 1,
      corrupt: 0,
      orphan: 0,
      ahead: 0,
      heldAhead: 0,
      quarantined: 0,
      expired: 0,
      held: 0,
      frozen: 0,
    },
  });

export const planHash = z.string().openapi({
  description:
    'Stands for every loss that was held in the region when the sweep ended: what an approval approves.',
  example: 'Yx0bq3v8w1e4qafk3s7m2t6xhzb0c9d8e7f6a5b4c3d2',
});

/** A sweep as the API shows it. */
export const Sweep = z
  .strictObject({
    id: idOf('sweep'),
    region: regionId,
    cause: z.enum(['scheduled', 'requested', 'recovery', 'seeding']),
    status: sweepStatus.openapi({ example: 'completed' }),
    counts: z.union([Counts, z.null()]).openapi({ description: 'Null before the sweep has begun.' }),
    plan: planHash.nullable().openapi({ description: 'Null where nothing was held.', example: null }),
    error: z.string().nullable().openapi({ description: 'Why it failed.', example: null }),
    requestedAt: moment,
    startedAt: moment.nullable(),
    finishedAt: moment.nullable(),
  })
  .openapi('Sweep');

export const sweepParams = z.object({ id: idOf('sweep').openapi({ description: 'The id of a sweep.' }) });

/** Without the publisher's own notes, which can be large. */
const { mark: _mark, tail: _tail, ...columns } = getTableColumns(sweeps);
export const sweepColumns = columns;
type Row = Omit<typeof sweeps.$inferSelect, 'mark' | 'tail'>;

export function toSweep(row: Row): z.infer<typeof Sweep> {
  const { id, region, cause, status, counts, plan, error } = row;
  return {
    ...{ id, region, cause, status, plan, error },
    counts:
      counts &&
      (Object.fromEntries(countNames.map((name) => [name, counts[name] ?? 0])) as z.infer<typeof Counts>),
    requestedAt: row.requestedAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
