import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { HubDatabase } from '../hub/db/hub-database.ts';
import { nothingMet, PostgresRun } from './postgres-run.ts';

/**
 * The simulation's edits as interleaved transactions on real Postgres: what the hub in memory takes for granted.
 * After each commit, what is derived is compared with the truth, and what was captured with what changed.
 */
const seeds = Array.from({ length: 12 }, (_, n) => n + 1);
const steps = 90;

describe('[law 1] edits in interleaved transactions on Postgres', () => {
  const met = nothingMet();
  let hub: HubDatabase;
  beforeAll(async () => {
    hub = await HubDatabase.create();
  });
  afterAll(() => hub?.[Symbol.asyncDispose]());

  test.each(seeds)(
    'seed %i: what is derived is the truth, and all that changed was captured',
    async (seed) => {
      const run = new PostgresRun(hub, seed, systemClock);
      try {
        await run.begin();
        for (let step = 0; step < steps; step++) await run.step();
        await run.end();
      } finally {
        await run.close();
      }
      for (const name of Object.keys(met) as (keyof typeof met)[]) met[name] += run.met[name];
    },
  );

  test('what is to be met was met', () => {
    for (const [name, count] of Object.entries(met)) expect(count, name).toBeGreaterThan(0);
  });
});
