import { parseArgs } from 'node:util';
import { generate } from './generate.ts';
import { Hazards, required } from './hazards.ts';
import { report, simulate } from './simulate.ts';

/**
 * `npm run sim -- --seed N --steps M`: one run, told step by step. `--seeds COUNT` runs that many from `--seed` on,
 * quietly, and prints what they met.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    seeds: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.steps);
const last = first + Number(values.seeds ?? 1) - 1;
const hazards = new Hazards();
let failures = 0;
for (let seed = first; seed <= last; seed++) {
  const steps = generate(seed, count);
  const told = values.seeds === undefined && !values.quiet;
  const outcome = await simulate(seed, steps, { trace: told });
  hazards.add(outcome.hazards);
  if (told) console.log(outcome.trace.join('\n'));
  if (outcome.violation === undefined) continue;
  failures += 1;
  console.log(`\n${await report(seed, steps)}\n`);
  if (failures >= 3) break;
}
console.log(`\nhazards met\n${hazards.lines().join('\n')}`);
const missing = required.filter((name) => !hazards.counts.has(name));
if (values.seeds !== undefined && missing.length > 0) console.log(`\nnever met: ${missing.join('; ')}`);
console.log(failures === 0 ? '\nno law was broken' : `\n${failures} seeds break a law`);
process.exitCode = failures === 0 ? 0 : 1;
