import { describe, expect, test } from 'vitest';
import { generate } from './generate.ts';
import { Hazards, required } from './hazards.ts';
import { report, simulate } from './simulate.ts';

/** Seeds of the suite, from 1 on. More of them: `npm run sim -- --seeds 10000`. */
const seeds = 500;
const steps = 60;
const runs = 10;

describe('the simulation', () => {
  const hazards = new Hazards();

  for (let run = 0; run < runs; run++) {
    const first = 1 + (run * seeds) / runs;
    const last = ((run + 1) * seeds) / runs;
    test(`[law 1] [law 2] [law 3] [law 6] nothing goes back, everything arrives: seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) {
        const made = generate(seed, steps);
        const outcome = await simulate(seed, made);
        hazards.add(outcome.hazards);
        if (outcome.violation !== undefined) expect.fail(await report(seed, made));
      }
    });
  }

  test('met every hazard that it is there for', () => {
    expect(required.filter((name) => !hazards.counts.has(name))).toEqual([]);
  });
});

test('a seed is the same run every time', async () => {
  const [one, other] = [await traceOf(7), await traceOf(7)];
  expect(one.length).toBeGreaterThan(100);
  expect(other).toEqual(one);
  expect(await traceOf(8)).not.toEqual(one);
});

async function traceOf(seed: number): Promise<string[]> {
  return (await simulate(seed, generate(seed, steps), { trace: true })).trace;
}
