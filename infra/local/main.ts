import { systemClock } from '../../contexts/base/clock.ts';
import { untilSignalled } from '../../contexts/base/process.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { explainFailure } from '../bin/failure.ts';
import { readWheelOptions } from './options.ts';
import { seconds, terminalProgress } from './progress.ts';
import { welcome } from './welcome.ts';
import { Wheel } from './wheel.ts';

/** `npm start`: runs the wheel until Ctrl-C. */
async function main(): Promise<number> {
  const options = readWheelOptions(process.argv.slice(2));
  if (typeof options === 'number') return options;
  const clock = systemClock;
  const startedAtMs = clock.monotonic();
  const progress = terminalProgress(clock, (line) => console.log(line));
  const signalled = untilSignalled();

  await using wheel = await Wheel.open({
    options,
    environment: process.env,
    clock,
    random: systemRandom,
    progress,
  });
  const { directory } = wheel.layout;
  progress.say(
    `Starting a hub, a publisher and ${wheel.layout.regions.length} spokes; everything is kept in ${directory}`,
  );
  const started = wheel.start();
  started.catch(() => {}); // a signal may come first; then ending is what it is rejected for
  const outcome = await Promise.race([started, signalled]);
  if (typeof outcome !== 'string') {
    progress.say(`\nThe wheel turns, after ${seconds(clock.monotonic() - startedAtMs)}.\n`);
    progress.say(welcome(wheel.layout, wheel.setUpLink));
  }
  await signalled;
  progress.say('\nEnding everything ...');
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message, exitCode } = explainFailure(error, process.env.SPOKECAST_LOG_LEVEL);
  console.error(`\nThe wheel did not start: ${message}`);
  process.exitCode = exitCode;
}
