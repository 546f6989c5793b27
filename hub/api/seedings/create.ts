import { z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { newId } from '../../../contexts/ids.ts';
import { writeAudit } from '../../data/audit.ts';
import { seedings } from '../../db/schema.ts';
import { requestSeeding } from '../../db/seedings.ts';
import { regionId } from '../../http/fields.ts';
import { defineRoute } from '../../http/route.ts';
import { lockRegionForWork } from '../regions/region.ts';
import { Seeding, toSeeding } from './seeding.ts';

const body = z
  .strictObject({ region: regionId })
  .openapi('SeedingCreate', { example: { region: 'eu-west-1' } });

export const createSeeding = defineRoute({
  method: 'POST',
  path: '/v1/seedings',
  operationId: 'createSeeding',
  tag: 'seedings',
  summary: 'Seed a region again, until it is verified to hold everything',
  description:
    'For a region whose table was lost, or is suspected. Until it is verified, its gateways deny nobody for absence; what they hold they go on answering from. A request joins a seeding that is not finished.',
  operation: 'sweeps.write',
  body,
  answer: { status: 202, description: 'It will begin at once where a publisher runs.', schema: Seeding },
  problems: ['REGION_UNKNOWN', 'REGION_DISABLED'],
  async handle(call) {
    const { db, services } = call;
    const { region } = call.body;
    await lockRegionForWork(db, region);
    const wanted = newId('seeding', services.clock, services.random);
    const id = await requestSeeding(db, { id: wanted, region, cause: 'requested' });
    if (id === wanted)
      await writeAudit(call, {
        action: 'request',
        resourceType: 'seeding',
        resourceId: id,
        tenantId: null,
        after: { region },
      });
    const [seeding] = await db.select().from(seedings).where(eq(seedings.id, id));
    return { body: toSeeding(seeding!) };
  },
});
