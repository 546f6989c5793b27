#!/usr/bin/env node
import { explainFailure } from './failure.ts';
import { createProgram } from './program.ts';

/** The `spokecast` command. Every role of a deployment is one of its subcommands. */
try {
  const program = createProgram(process.env, (code) => process.exit(code));
  await program.parseAsync();
} catch (error) {
  const { message, exitCode } = explainFailure(error, process.env.SPOKECAST_LOG_LEVEL);
  console.error(`spokecast: ${message}`);
  process.exit(exitCode);
}
