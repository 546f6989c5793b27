import { describe, expect, test } from 'vitest';
import { generate } from './generate.ts';
import { plants } from './plants.ts';
import { report, simulate } from './simulate.ts';
import type { Step } from './steps.ts';
import type { Plant } from './world.ts';

/**
 * What the simulation is worth: each rule of the protocol, taken away, is found missing by the very generator that
 * the suite beside this one uses.
 */
const seedsMax = 1_000;
const stepCount = 60;

describe('a planted bug is found', () => {
  test.each(Object.entries(plants))(
    '%s',
    async (_name, plant) => {
      const found = await firstCaught(plant);
      expect(found, `not within ${seedsMax} seeds`).toBeDefined();
      expect(
        await violationOf(found!.seed, found!.steps),
        'the bug, not the seed, is at fault',
      ).toBeUndefined();
    },
    120_000,
  );
});

test('a failure is told with its seed and with the few steps it takes', async () => {
  const plant = plants['absence counts from any table']!;
  const { seed, steps } = (await firstCaught(plant))!;
  const told = await report(seed, steps, plant);
  const [head, again, length] = told.split('\n');
  expect(head).toMatch(new RegExp(`^seed ${seed}: whole: a gateway denies`));
  expect(again).toBe(`again: npm run sim -- --seed ${seed} --steps ${stepCount}`);
  expect(Number.parseInt(length!, 10)).toBeLessThan(10);
});

async function firstCaught(plant: Plant): Promise<{ seed: number; steps: Step[] } | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const steps = generate(seed, stepCount);
    if ((await violationOf(seed, steps, plant)) !== undefined) return { seed, steps };
  }
  return undefined;
}

async function violationOf(seed: number, steps: readonly Step[], plant?: Plant): Promise<string | undefined> {
  return (await simulate(seed, steps, { plant })).violation;
}
