import { z } from '@hono/zod-openapi';
import { eq, sql } from 'drizzle-orm';
import { writeAudit } from '../../data/audit.ts';
import { approvePlan } from '../../db/holds.ts';
import { sweeps } from '../../db/schema.ts';
import { idOf, regionId } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { findRegion } from '../regions/region.ts';
import { requestSweep } from './request.ts';
import { planHash, sweepColumns, sweepParams } from './sweep.ts';

const SweepApproved = z
  .strictObject({
    id: idOf('sweep').openapi({ description: 'Of the sweep whose plan was approved.' }),
    region: regionId,
    plan: planHash,
    contexts: z.int().openapi({ description: 'How many contexts it lets through.', example: 120 }),
    sweep: idOf('sweep').openapi({ description: 'Of the sweep that will publish them.' }),
  })
  .openapi('SweepApproved');

export const approveSweep = defineRoute({
  method: 'POST',
  path: '/v1/sweeps/{id}/approve',
  operationId: 'approveSweep',
  tag: 'sweeps',
  summary: 'Let exactly what was held when a sweep ended through',
  description:
    'For losses over the budget (`GET /v1/regions/{id}/holds`). What is held now must be what was held then, context by context and revision by revision; otherwise nothing is let through, and a new sweep shows the new plan.',
  operation: 'sweeps.approve',
  params: sweepParams,
  answer: { status: 202, description: 'A sweep will publish them.', schema: SweepApproved },
  problems: ['NOT_FOUND', 'NOTHING_HELD', 'PLAN_CHANGED', 'REGION_DISABLED'],
  async handle(call) {
    const { db, services, params } = call;
    const [row] = await db.select(sweepColumns).from(sweeps).where(eq(sweeps.id, params.id));
    const { id, region, status, plan } = row ?? fail('NOT_FOUND');
    if (status !== 'completed' || plan === null) {
      fail(
        'NOTHING_HELD',
        status === 'completed'
          ? 'Nothing was held in the region when this sweep ended.'
          : `The sweep is ${status}: only one that has completed can be approved.`,
      );
    }
    if ((await findRegion(db, region)).status === 'disabled') fail('REGION_DISABLED');
    const approval = await approvePlan(db, region, plan);
    if (approval.outcome === 'changed') {
      fail(
        'PLAN_CHANGED',
        `What is held in ${region} now is not what was held when this sweep ended, or it was approved already. Sweep the region again, look at GET /v1/regions/${region}/holds, and approve that sweep.`,
      );
    }
    const sweep = await requestSweep(db, region, services);
    await db.execute(sql`select pg_notify('spokecast_sweeps', '')`);
    const { contexts } = approval;
    await writeAudit(call, {
      action: 'approve',
      ...{ resourceType: 'sweep', resourceId: id, tenantId: null },
      after: { region, plan, contexts },
    });
    return { body: { id, region, plan, contexts, sweep } };
  },
});
