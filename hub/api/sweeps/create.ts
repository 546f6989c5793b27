import { z } from '@hono/zod-openapi';
import { asc, ne, sql } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import type { Queryable } from '../../db/client.ts';
import { regions } from '../../db/schema.ts';
import { idOf, regionId } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { lockRegionForWork } from '../regions/region.ts';
import { requestSweep } from './request.ts';
import { sweepStatus } from './sweep.ts';

const body = z
  .strictObject({
    region: regionId.optional().openapi({ description: 'Default: every region that is not disabled.' }),
  })
  .openapi('SweepCreate', { example: { region: 'eu-west-1' } });

const SweepRequested = z
  .strictObject({
    id: idOf('sweep').openapi({ description: 'Of the one sweep, or of the first of `items`.' }),
    items: z
      .array(z.strictObject({ id: idOf('sweep'), region: regionId, status: sweepStatus }))
      .openapi({ description: 'One a region, in the order of regions.' }),
  })
  .openapi('SweepRequested');

export const createSweep = defineRoute({
  method: 'POST',
  path: '/v1/sweeps',
  operationId: 'createSweep',
  tag: 'sweeps',
  summary: 'Ask for a sweep of one region, or of all',
  description:
    'A sweep compares everything a region should hold with everything it holds, and repairs the difference. A request joins one that waits already.',
  operation: 'sweeps.write',
  body: body.optional(),
  answer: {
    status: 202,
    description: 'They will begin at once where a publisher runs.',
    schema: SweepRequested,
  },
  problems: ['REGION_UNKNOWN', 'REGION_DISABLED'],
  async handle(call) {
    const { db, services } = call;
    const wanted = await regionsToSweep(db, call.body?.region);
    const items: { id: string; region: string; status: 'requested' }[] = [];
    for (const region of wanted)
      items.push({ id: await requestSweep(db, region, services), region, status: 'requested' });
    await db.execute(sql`select pg_notify('spokecast_sweeps', '')`);
    for (const { id, region } of items) {
      await writeAudit(call, {
        action: 'request',
        resourceType: 'sweep',
        resourceId: id,
        tenantId: null,
        after: { region },
      });
    }
    return { body: { id: items[0]!.id, items } };
  },
});

/** @throws ProblemError 422 or 409 where there is nothing to sweep. */
async function regionsToSweep(db: Queryable, region: string | undefined): Promise<string[]> {
  if (region === undefined) {
    const rows = await db
      .select({ id: regions.id })
      .from(regions)
      .where(ne(regions.status, 'disabled'))
      .orderBy(asc(regions.id));
    if (rows.length === 0) fail('REGION_UNKNOWN', 'There is no region that is not disabled.');
    return rows.map(({ id }) => id);
  }
  await lockRegionForWork(db, region);
  return [region];
}
