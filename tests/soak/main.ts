import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import '../../infra/bin/mended-driver.ts';
import { untilSignalled } from '../../contexts/base/process.ts';
import { findRequirement } from '../support/programs.ts';
import { type QueueBackend, readSoakOptions, type SoakOptions } from './options.ts';

/** `npm run soak`: a soak on each queue backend, a line for every trouble, a table of all that was done and checked. */
async function main(): Promise<number> {
  const options = readSoakOptions(process.argv.slice(2));
  if (typeof options === 'number') return options;
  const asked = new AbortController();
  void untilSignalled().then(() => asked.abort());
  let exitCode = 0;
  for (const queue of options.queues) {
    if (!asked.signal.aborted) exitCode = Math.max(exitCode, await run(queue, options, asked.signal));
  }
  return exitCode;
}

async function run(queue: QueueBackend, options: SoakOptions, signal: AbortSignal): Promise<number> {
  const redisServer = queue === 'redis' ? findRequirement('redis-server') : undefined;
  if (queue === 'redis' && redisServer === undefined) {
    console.error('redis-server is not installed: apt-get install redis-server; or choose --queue postgres');
    return 69; // EX_UNAVAILABLE of sysexits(3)
  }
  const kept = options.directory;
  const directory = kept ? resolve(kept, queue) : mkdtempSync(join(tmpdir(), `spokecast-soak-${queue}-`));
  mkdirSync(directory, { recursive: true });
  const { minutes, seed, regions } = options;
  const { soak } = await import('./soak.ts');
  const print = (line: string) => console.log(line);
  const { problems, tally } = await soak({ minutes, seed, regions, directory, redisServer, signal, print });
  print(tally.table());
  for (const problem of problems) print(`! ${problem}`);
  if (problems.length === 0) {
    print(`\nno law was broken (queues in ${queue}, seed ${seed})`);
    if (!kept) rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
    return 0;
  }
  print(
    `\n${problems.length} problems (queues in ${queue}, seed ${seed}); every action and all logs are in ${directory}`,
  );
  return 1;
}

process.exitCode = await main();
