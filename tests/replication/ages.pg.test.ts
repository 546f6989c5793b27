import { describeAges } from './ages.ts';

describeAges('Postgres', async () => ({
  loseScheduler: async ({ sql }, queue) =>
    (await sql`delete from bullmq.scheduler where queue = ${queue}`).count,
}));
