#!/usr/bin/env node
import { systemClock } from '../../contexts/base/clock.ts';
import { explainFailure } from './failure.ts';
import { createProgram } from './program.ts';
import { systemTerminal as terminal } from './terminal.ts';

/** The `spokecast` command. Every role of a deployment is one of its subcommands. */
try {
  const cli = {
    environment: process.env,
    terminal,
    clock: systemClock,
    exit: (code: number) => process.exit(code),
  };
  const program = await createProgram(cli, process.argv[2]);
  await program.parseAsync();
} catch (error) {
  const { message, exitCode } = explainFailure(error, process.env.SPOKECAST_LOG_LEVEL);
  console.error(`spokecast: ${message}`);
  process.exit(exitCode);
}
