import { Command, InvalidArgumentError } from 'commander';
import { systemRandom } from '../../contexts/base/random.ts';
import { parseFlags } from '../../infra/local/options.ts';

export type QueueBackend = 'postgres' | 'redis';

export interface SoakOptions {
  /** For which things are done and broken, on each queue backend. */
  minutes: number;
  seed: number;
  queues: readonly QueueBackend[];
  regions: number;
  /** Where the processes keep their files and logs, and the soak its own; a new one that is removed if absent. */
  directory: string | undefined;
}

export const regionsMax = 9;

/** Reads the flags of `npm run soak --`. @returns the exit code instead when there is nothing to run. */
export function readSoakOptions(flags: readonly string[]): SoakOptions | number {
  const command = new Command('npm run soak --')
    .description(
      'Runs a whole wheel of real processes, changes its data all the time, kills, freezes and restarts what it ' +
        'is made of, and checks that nothing goes back, that what is revoked stays out, and that all converges.',
    )
    .option('--minutes <n>', 'how long to go on, on each queue backend', number(0.1, 10_000), 2)
    .option('--seed <n>', 'repeats the choices of an earlier run (not its timing)', number(0, 2 ** 31 - 1))
    .option('--queue <which>', 'postgres, redis or both', backends, ['postgres', 'redis'])
    .option('--regions <n>', 'spokes, each with a store and two gateways', number(1, regionsMax), 2)
    .option('--dir <directory>', 'keep all files and logs here instead of removing them at the end')
    .showHelpAfterError('(npm run soak -- --help lists the flags)');
  const parsed = parseFlags(command, flags);
  if (typeof parsed === 'number') return parsed;
  const { minutes, seed = Math.floor(systemRandom.fraction() * 1e6), queue, regions, dir } = parsed;
  return { minutes, seed, queues: queue, regions: Math.floor(regions), directory: dir };
}

function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    return value;
  };
}

function backends(text: string): QueueBackend[] {
  if (text === 'both') return ['postgres', 'redis'];
  if (text === 'postgres' || text === 'redis') return [text];
  throw new InvalidArgumentError('It must be postgres, redis or both.');
}
