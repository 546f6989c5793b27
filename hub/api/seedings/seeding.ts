import { z } from '@hono/zod-openapi';
import { seedingCauses, seedingPhases, type seedings } from '../../db/schema.ts';
import { idOf, moment, regionId } from '../../http/fields.ts';

/** A seeding as the API shows it. */
export const Seeding = z
  .strictObject({
    id: idOf('seeding'),
    region: regionId,
    cause: z.enum(seedingCauses).openapi({
      description:
        '`added`: the region is new; `lost`: its table was gone or not whole; `requested`: somebody asked.',
    }),
    phase: z.enum(seedingPhases).openapi({
      example: 'checking',
      description:
        '`filling`: a table that was just made is filled; `checking`: sweeps, until one finds no difference.',
    }),
    contexts: z
      .strictObject({
        total: z
          .int()
          .min(0)
          .nullable()
          .openapi({ description: 'That the region is to hold; null before they were counted.' }),
        filled: z.int().min(0),
        checked: z.int().min(0).openapi({ description: 'By the sweep at work now.' }),
      })
      .openapi('SeedingContexts', { example: { total: 12000, filled: 12000, checked: 4000 } }),
    sweeps: z.int().min(0).openapi({ description: 'Begun so far.' }),
    error: z
      .string()
      .nullable()
      .openapi({ description: 'Why it does not go on now; it is tried again.', example: null }),
    requestedAt: moment,
    startedAt: moment.nullable(),
    finishedAt: moment.nullable().openapi({ example: null }),
    readyAfterMs: z.int().min(0).nullable().openapi({
      description: 'From the request until the region was verified to hold everything.',
      example: null,
    }),
  })
  .openapi('Seeding');

export const seedingParams = z.object({
  id: idOf('seeding').openapi({ description: 'The id of a seeding.' }),
});

export function toSeeding(row: typeof seedings.$inferSelect): z.infer<typeof Seeding> {
  const { id, region, cause, phase, total, filled, checked, sweeps, error } = row;
  return {
    ...{ id, region, cause, phase, sweeps, error },
    contexts: { total, filled, checked },
    requestedAt: row.requestedAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
    readyAfterMs: row.finishedAt ? Math.max(0, row.finishedAt.getTime() - row.requestedAt.getTime()) : null,
  };
}
